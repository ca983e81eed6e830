"""The control page: set and clear faults by form."""

from datetime import UTC, datetime

from django.utils.translation import gettext_lazy as _

from tiktok_sandbox.pages import acts
from tiktok_sandbox.pages.authorise import form
from tiktok_sandbox.pages.render import page
from tiktok_sandbox.routes import ENDPOINTS
from tiktok_sandbox.sandbox import Sandbox
from tiktok_sandbox.wire import Answer, Request, redirect

KINDS = (
    ("throttle", _("Too many requests (40100; with an ad account 40133)")),
    ("code", _("Any code, as given")),
    ("http_error", _("HTTP error, 502 unless a status is given")),
    ("not_allowlisted", _("App is not on the allowlist (40118)")),
    ("poison", _("Reject every request that holds this hash")),
    ("partial", _("Partial success (20001)")),
    ("slow", _("Apply, then answer late")),
    ("drip", _("Answer one byte at a time")),
    ("drop", _("Hang up, nothing applied")),
    ("apply_then_drop", _("Apply, then hang up")),
    ("truncated", _("Answer cut in the middle")),
    ("not_json", _("Answer is not JSON")),
    ("empty", _("Answer is empty")),
    ("wrong_type", _("Answer has the wrong content type")),
    ("redirect", _("Answer redirects elsewhere")),
    ("huge", _("Answer is huge")),
    ("code_text", _("Code is a text")),
    ("code_null", _("Code is null")),
    ("code_missing", _("Code is missing")),
)


def show(sandbox: Sandbox, request: Request) -> Answer:
    return answer(sandbox, request, problem="", status=200)


def answer(sandbox: Sandbox, request: Request, *, problem: str, status: int) -> Answer:
    lines = [(line, datetime.fromtimestamp(line.at, UTC)) for line in sandbox.log.newest(25)]
    context = {
        "problem": problem,
        "kinds": KINDS,
        "endpoints": list(ENDPOINTS),
        "faults": [fault.as_json() for fault in sandbox.faults.list()],
        "dropped": sandbox.accounts.dropped_access(),
        "users": sandbox.accounts.users(),
        "advertisers": sandbox.accounts.advertisers(),
        "lines": lines,
    }
    return page(request, "control.html", context, status)


def change(sandbox: Sandbox, request: Request) -> Answer:
    fields = {name: value for name, value in form(request) if value.strip()}
    match fields.pop("do", "set"):
        case "clear":
            sandbox.heal()
        case "reset":
            sandbox.reset()
        case _:
            try:
                acts.do(sandbox, fields)
            except ValueError as error:
                return answer(sandbox, request, problem=str(error), status=400)
    return redirect("/control/", 303)
