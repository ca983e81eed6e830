"""The table of API endpoints, and the path of a call through limits, faults and its handler."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tiktok_sandbox.call import Call
from tiktok_sandbox.endpoints import audience, oauth, segment
from tiktok_sandbox.faults import AFTER, INSTEAD, damage
from tiktok_sandbox.log import Line
from tiktok_sandbox.sandbox import Sandbox
from tiktok_sandbox.wire import Answer, Request, TikTokError, envelope, text

ROOT = "/open_api/v1.3/"


@dataclass(frozen=True)
class Endpoint:
    method: str
    handle: Callable[[Call], dict[str, object]]
    needs_token: bool = True
    is_streaming: bool = False  # part of the streaming API, with limits per ad account


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

# Endpoints of TikTok that the sandbox does not simulate. They are answered in TikTok's envelope:
# its SDK takes any other answer for a network error.
NOT_SIMULATED = {
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


def not_simulated(call: Call) -> dict[str, object]:
    raise TikTokError(40008, f"The sandbox does not simulate {call.endpoint}; see docs/sandbox.md.")


ENDPOINTS |= {name: Endpoint(method, not_simulated) for name, method in NOT_SIMULATED.items()}


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
    answer = answer_call(call, endpoint)
    line.ms = round((time.perf_counter() - started) * 1000, 2)
    line.advertisers = call.advertisers
    line.fault = ", ".join(fault.kind for fault in call.applied_faults)
    sandbox.log.add(line)
    return answer


def answer_call(call: Call, endpoint: Endpoint) -> Answer:
    """Return the answer of the handler, or of a fault that acts INSTEAD of it or AFTER it."""
    try:
        throttle(call, endpoint)
        fault = call.take_fault(*INSTEAD)
        if fault:
            if fault.kind in ("throttle", "code"):
                raise fault.error(call.sandbox.options.app_id)
            return damage(Answer(), fault)
        answer = handle(call, endpoint)
    except TikTokError as error:
        call.log_line.code = error.code
        return envelope(error.code, error.message, error.data)
    fault = call.take_fault(*AFTER)
    return damage(answer, fault) if fault else answer


def throttle(call: Call, endpoint: Endpoint) -> None:
    """Apply the rate limits. Raises TikTokError.

    The app's limit comes first: it can be checked without parsing the body.
    """
    options = call.sandbox.options
    # If the preset limits segment/mapping per ad account, the app's limit leaves it out.
    if not (endpoint.is_streaming and options.limits.mapping_rate):
        key, now = ("app", options.app_id), time.monotonic()
        if not call.sandbox.windows.admit(key, rate=options.limits.app_rate, now=now):
            raise TikTokError(40100, "App reaches the QPS limit.")
    if endpoint.is_streaming:
        segment.throttle(call)


def handle(call: Call, endpoint: Endpoint) -> Answer:
    """Return the handler's answer; a TikTokError becomes an envelope with its code."""
    try:
        if endpoint.needs_token:
            call.authenticate()
        data = endpoint.handle(call)
    except TikTokError as error:
        call.log_line.code = error.code
        return envelope(error.code, error.message, error.data)
    call.log_line.code = 0
    return envelope(0, "OK", data)
