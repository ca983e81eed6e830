"""The sandbox's own JSON interface for tests, which TikTok does not have."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

import orjson

from tiktok_sandbox import params
from tiktok_sandbox.accounts import AD_ACCOUNTS, AUDIENCES
from tiktok_sandbox.log import busiest_second
from tiktok_sandbox.pages import acts
from tiktok_sandbox.sandbox import Sandbox
from tiktok_sandbox.wire import TEXT, Answer, Request, json

ROOT = "/sandbox/api/"
LINES_PER_CHUNK = 1_000


def health(sandbox: Sandbox, request: Request) -> Answer:
    return json({"status": "ok", "preset": sandbox.options.limits.name})


def audiences(sandbox: Sandbox, request: Request) -> Answer:
    """List all audiences with exact numbers.

    `people` and `ids` count members that came through the API, `base_size` the earlier ones.
    """
    rows = []
    for audience in sandbox.audiences.everything():
        members = sandbox.audiences.members(audience.id)
        identity = {
            "audience_id": audience.id,
            "advertiser_id": audience.advertiser_id,
            "name": audience.name,
        }
        counts = {"people": members.people, "ids": members.ids, "base_size": audience.base_size}
        rows.append({**identity, "type": audience.type, **counts})
    return json({"audiences": rows})


def members(sandbox: Sandbox, request: Request) -> Answer:
    """Stream one JSON list [schema, hash] per line, in no order."""
    audience_id = request.path.removeprefix(f"{ROOT}audiences/").removesuffix("/members/")
    if not params.is_id(audience_id) or sandbox.audiences.get(audience_id) is None:
        return json({"error": "unknown audience"}, 404)
    return Answer(
        content_type="application/x-ndjson",
        chunks=json_lines(sandbox.audiences.member_ids(audience_id)),
    )


def json_lines(pairs: list[tuple[str, str]]) -> Iterator[bytes]:
    for start in range(0, len(pairs), LINES_PER_CHUNK):
        chunk = pairs[start : start + LINES_PER_CHUNK]
        yield b"".join(orjson.dumps(pair) + b"\n" for pair in chunk)


def faults(sandbox: Sandbox, request: Request) -> Answer:
    active = [fault.as_json() for fault in sandbox.faults.list()]
    return json({"faults": active, "dropped_accounts": sandbox.accounts.dropped_access()})


def set_fault(sandbox: Sandbox, request: Request) -> Answer:
    try:
        fields = orjson.loads(request.body)
        if not isinstance(fields, dict):
            raise ValueError("The body should be a JSON object.")
        return json(acts.do(sandbox, fields), 201)
    except ValueError as error:
        return json({"error": str(error)}, 400)


def clear_faults(sandbox: Sandbox, request: Request) -> Answer:
    """Clear the fault `?id=`; without it, clear all and give dropped ad accounts back."""
    fault_id = request.query.get("id", "")
    if params.is_id(fault_id):
        sandbox.faults.clear(int(fault_id))
    else:
        sandbox.heal()
    return faults(sandbox, request)


def requests(sandbox: Sandbox, request: Request) -> Answer:
    """List the newest `?limit=` API calls (default 100); count over the whole log."""
    limit = request.query.get("limit", "100")
    log_lines = sandbox.log.all()
    content = {
        "total": len(log_lines),
        "most_in_one_second": busiest_second(line.at for line in log_lines),
        "most_mappings_in_one_second": busiest_second(
            line.at for line in log_lines if line.endpoint == "segment/mapping"
        ),
        "requests": [
            asdict(line) | {"time": datetime.fromtimestamp(line.at, UTC).isoformat()}
            for line in sandbox.log.newest(int(limit) if params.is_id(limit) else 100)
        ],
    }
    return json(content)


def auth_code(sandbox: Sandbox, request: Request) -> Answer:
    """Issue a code without the consent page: `{"user_id": ..., "scope": [1, 3]}`, both optional."""
    try:
        fields = orjson.loads(request.body or b"{}")
        scope = fields.get("scope", [AD_ACCOUNTS, AUDIENCES])
        if not isinstance(scope, list) or not all(
            type(number) is int and number in (AD_ACCOUNTS, AUDIENCES) for number in scope
        ):
            raise ValueError("scope should be a list of 1 and 3.")
        user = sandbox.accounts.user(str(fields.get("user_id", sandbox.accounts.users()[0].id)))
        if user is None:
            raise ValueError("user_id names no TikTok user of the sandbox.")
    except (ValueError, AttributeError) as error:
        return json({"error": str(error)}, 400)
    return json(
        {"auth_code": sandbox.accounts.issue_code(user.id, frozenset(scope)), "user_id": user.id},
        201,
    )


def reset(sandbox: Sandbox, request: Request) -> Answer:
    sandbox.reset()
    return json({"status": "reset"})


def elsewhere(sandbox: Sandbox, request: Request) -> Answer:
    """Answer at the target of the fault `redirect`; a client should not follow it."""
    return Answer(b"You followed a redirect.", 200, TEXT)
