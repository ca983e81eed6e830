"""Scenario: purge old rows, a few at a time, while profiles keep entering."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from audiencesync.groups import retention
from audiencesync.groups.models import Activity, PurgeCursor
from audiencesync.people.models import Event, Profile
from partners import housekeeping
from partners.models import Batch, Delivery, Push, Sync, Tally
from partners.queue import retention as purging
from tests.support.clock import real_monotonic
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import World

PATIENCE = 5.0
DAYS = 100  # days between the deliveries and the purge; a lap begins once a day


def _before_the_purge(world: World) -> None:
    """Add three profiles twice and remove one of them; one is not sent, one has not entered yet."""
    for label, action in (("add", "add"), ("again", "add"), ("out", "remove")):
        world.sync(label, action=action)
    # Of an archived canvas: a Sync that claims people keeps its newest add of each.
    Sync.objects.filter(label="add").update(claims=False)
    world.people(1, 2, 3, 5)
    world.people(4, ads_consent=False)
    for label, who in (("add", (1, 2, 3, 4)), ("again", (1, 2, 3)), ("out", (3,))):
        world.enter(label, *who)
        world.flush()
    for days in (0, 700):
        at = timezone.now() - timedelta(days=days)
        people = Profile.objects.filter(external_id__in=["1", "2", "3", "4"])
        Event.objects.bulk_create(
            Event(app_group=world.group, profile=one, name="cart", at=at) for one in people
        )
        Activity.objects.create(
            app_group=world.group, actor=world.alice, verb="launched", subject="x", at=at
        )


def _purge(_world: World, days: int = DAYS) -> None:
    """Run one turn of housekeeping in small chunks.

    Its time limit is generous, so that each run has the same points.
    """
    retention.CHUNK = 3
    retention.walk_in_chunks.__kwdefaults__["seconds"] = PATIENCE
    retention.TABLE_SECONDS = purging.SECONDS_PER_CALL = PATIENCE
    housekeeping.purge(now=timezone.now() + timedelta(days=days))


def _enter(world: World) -> None:
    world.enter("again", 5)
    world.flush()


def _enter_and_purge(world: World) -> None:
    _enter(world)
    _purge(world)


def _finish(world: World) -> None:
    """Run turn after turn until all tables were walked through twice."""
    _enter(world)
    for days in (DAYS, DAYS + 2):
        ends_at = real_monotonic() + 4
        _purge(world, days)
        while real_monotonic() < ends_at and (
            PurgeCursor.objects.exclude(after=0).exists() or Push.objects.exists()
        ):
            _purge(world, days)


def _looks_purged(_world: World) -> Iterator[str]:
    """Check that only the newest row of each profile and action and recent rows are left."""
    rows = sorted(Delivery.objects.values_list("sync__label", "profile__external_id"))
    if rows != [("again", "1"), ("again", "2"), ("again", "3"), ("again", "5"), ("out", "3")]:
        yield f"deliveries: {rows}"
    base = Tally.objects.get(sync__label="add").base
    if base != {"synced": {"": 3}, "not_synced": {"no_consent": 1}}:
        yield f"base: {base}"
    left = (
        Batch.objects.count(),
        Push.objects.count(),
        Event.objects.count(),
        Activity.objects.count(),
    )
    if left != (3, 0, 4, 1):
        yield f"batches, pushes, events, lines: {left}"


PURGE = Scenario(
    "purge",
    prepare=_before_the_purge,
    act=_purge,
    meanwhile=_enter_and_purge,
    closing=_finish,
    look=_looks_purged,
    ends=(
        End(
            {
                "add": {"entered": 4, "synced": 3, "not_synced": 1},
                "again": {"entered": 4, "synced": 4},
                "out": {"entered": 1, "synced": 1},
            },
            {"winback": {1, 2, 5}},
        ),
    ),
)
