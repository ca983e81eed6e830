"""GET /canvas/data_series gives the counts of every step by audience and day."""

from datetime import UTC, datetime

import pytest

from canvases.models import Canvas, Step
from partners.models import AdAccount, Audience, Connection, Sync, TallyHour

FIRST, SECOND = datetime(2026, 11, 22, 10, tzinfo=UTC), datetime(2026, 11, 23, 10, tzinfo=UTC)
ZEROS = {"entered": 0, "synced": 0, "not_synced": 0, "pending": 0, "errored": 0, "cancelled": 0}


@pytest.fixture
def step(acme):
    """A step with two audiences: three people to "old" on day one, two to "new" on day two.

    The last of the three is synced on day two.
    """
    account = AdAccount.objects.create(
        connection=Connection.objects.create(partner="tiktok", app_group=acme),
        remote_id="1",
        name="EU",
    )
    syncs = []
    for name in ("old", "new"):
        audience = Audience.objects.create(ad_account=account, remote_id=name, name=name)
        syncs.append(
            Sync.objects.create(app_group=acme, audience=audience, action="add", kinds=["email"])
        )
    step = Step.objects.create(
        canvas=Canvas.objects.create(app_group=acme, name="Cart"),
        kind="audience_sync",
        sync=syncs[1],
    )
    step.syncs.set(syncs)
    TallyHour.objects.create(sync=syncs[0], hour=FIRST, entered=3, synced=2, pending=1)
    TallyHour.objects.create(sync=syncs[0], hour=SECOND, synced=1, pending=-1)
    TallyHour.objects.create(sync=syncs[1], hour=SECOND, entered=2, synced=2)
    return step


def test_each_audience_has_its_own_counts(api, step):
    params = {
        "canvas_id": step.canvas.api_id,
        "length": 2,
        "ending_at": "2026-11-23",
        "include_step_breakdown": "true",
    }
    days = api.get("/canvas/data_series", params).json()["data"]["stats"]
    first, second = (day["step_stats"][str(step.api_id)]["audience_sync"] for day in days)
    assert first == [
        ZEROS | {"audience": "new"},
        ZEROS | {"audience": "old", "entered": 3, "synced": 2, "pending": 1},
    ]
    assert second == [
        ZEROS | {"audience": "new", "entered": 2, "synced": 2},
        ZEROS | {"audience": "old", "synced": 1, "pending": -1},
    ]
