"""A page like the Ads Manager: the audiences of every ad account and their sizes."""

from datetime import UTC, datetime

from tiktok_sandbox.audiences import Audience
from tiktok_sandbox.endpoints.audience import TARGETABLE_SIZE
from tiktok_sandbox.pages.render import page
from tiktok_sandbox.sandbox import Sandbox
from tiktok_sandbox.wire import Answer, Request

REFRESH_SECONDS = 5


def show(sandbox: Sandbox, request: Request) -> Answer:
    is_paused = request.query.get("refresh") == "off"
    accounts = [
        (advertiser, [row(sandbox, audience) for audience in sandbox.audiences.of(advertiser.id)])
        for advertiser in sandbox.accounts.advertisers()
    ]
    context = {
        "accounts": accounts,
        "refresh": None if is_paused else REFRESH_SECONDS,
        "least": TARGETABLE_SIZE,
        "now": datetime.now(UTC),
        "limits": sandbox.options.limits,
        "n_faults": len(sandbox.faults.list()),
    }
    return page(request, "manager.html", context)


def row(sandbox: Sandbox, audience: Audience) -> dict[str, object]:
    people = sandbox.audiences.people(audience)
    return {
        "audience": audience,
        "people": people,
        "is_valid": people >= TARGETABLE_SIZE,
        "ids": sorted(sandbox.audiences.members(audience.id).ids.items()),
        "created_at": datetime.fromtimestamp(audience.created_at, UTC),
        "n_changes": sandbox.audiences.history_count(audience.id) + 1,
    }
