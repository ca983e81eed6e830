"""The table of API endpoints, and the way of every call through throttles, faults and its handler."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from tiktok_sandbox.call import Call
from tiktok_sandbox.endpoints import audience, oauth, segment
from tiktok_sandbox.faults import AFTER, INSTEAD, spoil
from tiktok_sandbox.log import Line
from tiktok_sandbox.sandbox import Sandbox
from tiktok_sandbox.wire import Answer, Refuse, Request, envelope, text

logger = logging.getLogger(__name__)
ROOT = "/open_api/v1.3/"


@dataclass(frozen=True)
class Endpoint:
    method: str
    handle: Callable[[Call], dict[str, object]]
    needs_token: bool = True
    is_streaming: bool = False


ENDPOINTS = {
    "oauth2/access_token": Endpoint("POST", oauth.access_token, needs_token=False),
    "oauth2/revoke_token": Endpoint("POST", oauth.revoke_token),
    "oauth2/advertiser/get": Endpoint("GET", oauth.advertiser_get),
    "advertiser/info": Endpoint("GET", oauth.advertiser_info),
    "user/info": Endpoint("GET", oauth.user_info),
    "segment/audience": Endpoint("POST", segment.audience, is_streaming=True),
    "segment/mapping": Endpoint("POST", segment.mapping, is_streaming=True),
    "dmp/custom_audience/list": Endpoint("GET", audience.listing),
    "dmp/custom_audience/get": Endpoint("GET", audience.get),
    "dmp/custom_audience/delete": Endpoint("POST", audience.delete),
    "dmp/custom_audience/lookalike/create": Endpoint("POST", audience.lookalike_create),
}

# Of TikTok's audience interface, not played here: answered in TikTok's envelope, for its SDK takes anything else for a
# broken line.
NOT_PLAYED = {
    "audience/insight/overlap": "GET",
    "dmp/custom_audience/create": "POST",
    "dmp/custom_audience/update": "POST",
    "dmp/custom_audience/file/upload": "POST",
    "dmp/custom_audience/rule/create": "POST",
    "dmp/custom_audience/lookalike/update": "POST",
    "dmp/custom_audience/apply": "POST",
    "dmp/custom_audience/apply/log": "GET",
    "dmp/custom_audience/share": "POST",
    "dmp/custom_audience/share/cancel": "POST",
    "dmp/custom_audience/share/log": "GET",
    "dmp/saved_audience/create": "POST",
    "dmp/saved_audience/delete": "POST",
    "dmp/saved_audience/list": "GET",
}


def not_played(call: Call) -> dict[str, object]:
    raise Refuse(40008, f"The sandbox does not play {call.endpoint}; see docs/sandbox.md.")


ENDPOINTS |= {name: Endpoint(method, not_played) for name, method in NOT_PLAYED.items()}


def answer_api(sandbox: Sandbox, request: Request) -> Answer:
    name = request.path.removeprefix(ROOT)
    endpoint = ENDPOINTS.get(name.rstrip("/"))
    if endpoint is None or (sandbox.options.strict_slash and not name.endswith("/")):
        return text("404 page not found", 404)
    if request.method != endpoint.method:
        return text("405 method not allowed", 405, Allow=endpoint.method)
    started = time.perf_counter()
    line = Line(at=time.time(), endpoint=name.rstrip("/"), method=request.method)
    call = Call(sandbox, line.endpoint, request, line)
    answer = worked(call, endpoint)
    line.ms = round((time.perf_counter() - started) * 1000, 2)
    line.advertisers = call.advertisers
    line.fault = ", ".join(fault.kind for fault in call.used)
    sandbox.log.add(line)
    return answer


def worked(call: Call, endpoint: Endpoint) -> Answer:
    """The answer as it goes out: handled, or put in its place by a fault, or spoilt by one afterwards."""
    try:
        throttle(call, endpoint)
        instead = call.fault(*INSTEAD)
        if instead:
            if instead.kind in ("throttle", "code"):
                raise instead.refusal(call.sandbox.options.app_id)
            return spoil(Answer(), instead)
        answer = handled(call, endpoint)
    except Refuse as refusal:
        call.line.code = refusal.code
        return envelope(refusal.code, refusal.message, refusal.data)
    after = call.fault(*AFTER)
    return spoil(answer, after) if after else answer


def throttle(call: Call, endpoint: Endpoint) -> None:
    """The app's limit first: the body is not even read for it."""
    options = call.sandbox.options
    if not (endpoint.is_streaming and options.limits.mapping_rate):
        key, now = ("app", options.app_id), time.monotonic()
        if not call.sandbox.windows.admit(key, rate=options.limits.app_rate, now=now):
            raise Refuse(40100, "App reaches the QPS limit.")
    if endpoint.is_streaming:
        segment.throttle(call)


def handled(call: Call, endpoint: Endpoint) -> Answer:
    try:
        if endpoint.needs_token:
            call.authenticate()
        data = endpoint.handle(call)
    except Refuse as refusal:
        call.line.code = refusal.code
        return envelope(refusal.code, refusal.message, refusal.data)
    call.line.code = 0
    return envelope(0, "OK", data)
