"""Scenario: purge old rows, a few at a time, while profiles keep entering.

Housekeeping walks through each table by primary key, in chunks; a PurgeCursor keeps its place. The
next walk through a table begins at least a day after the last one began.
"""

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from audiencesync.groups import retention
from audiencesync.groups.models import Activity, PurgeCursor
from audiencesync.people.models import Event, Profile
from partners import housekeeping
from partners.models import Batch, Delivery, Push, Sync, Tally
from partners.queue import retention as delivery_retention
from tests.support.clock import real_monotonic
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import World

SECONDS_PER_TABLE = 5.0  # in one call of housekeeping: enough for each walk through a table
FINISH_SECONDS = 30  # within which repeated calls end the walks of one day
DAYS = 100  # between the deliveries and the purge


def _before_the_purge(world: World) -> None:
    """Add 1, 2 and 3 by two Syncs, then remove 3. 4 has no consent, and 5 enters later."""
    for label, action in (("add", "add"), ("again", "add"), ("out", "remove")):
        world.create_sync(label, action=action)
    # This Sync claims no people, like that of an archived canvas; otherwise the purge would keep
    # the newest add of each person.
    Sync.objects.filter(label="add").update(claims=False)
    world.create_people(1, 2, 3, 5)
    world.create_people(4, ads_consent=False)
    for label, numbers in (("add", (1, 2, 3, 4)), ("again", (1, 2, 3)), ("out", (3,))):
        world.enter(label, *numbers)
        world.flush()
    for days in (0, 700):
        at = timezone.now() - timedelta(days=days)
        profiles = Profile.objects.filter(external_id__in=["1", "2", "3", "4"])
        Event.objects.bulk_create(
            Event(app_group=world.group, profile=profile, name="cart", at=at)
            for profile in profiles
        )
        Activity.objects.create(
            app_group=world.group, actor=world.alice, verb="launched", subject="x", at=at
        )


def _purge(_world: World, days: int = DAYS) -> None:
    """Call housekeeping once, with small chunks, and with so much time that no run stops early."""
    retention.CHUNK = 3
    # Change the default of the argument: Python read it when the function was defined.
    retention.walk_in_chunks.__kwdefaults__["seconds"] = SECONDS_PER_TABLE
    retention.TABLE_SECONDS = delivery_retention.SECONDS_PER_CALL = SECONDS_PER_TABLE
    housekeeping.purge(now=timezone.now() + timedelta(days=days))


def _enter(world: World) -> None:
    """Enter 5; a second call changes nothing."""
    world.enter("again", 5)
    world.flush()


def _enter_and_purge(world: World) -> None:
    _enter(world)
    _purge(world)


def _finish(world: World) -> None:
    """Call housekeeping until it has walked through all tables twice.

    The second walk deletes what the first one left because of a kill.
    """
    _enter(world)
    for days in (DAYS, DAYS + 2):
        ends_at = real_monotonic() + FINISH_SECONDS
        _purge(world, days)
        # ``after``: the last id that a walk has reached, 0 after its end
        while real_monotonic() < ends_at and (
            PurgeCursor.objects.exclude(after=0).exists() or Push.objects.exists()
        ):
            _purge(world, days)


def _check_purged(_world: World) -> Iterator[str]:
    """Check that the newest synced row of each profile and action and recent rows are left."""
    rows = sorted(Delivery.objects.values_list("sync__label", "profile__external_id"))
    if rows != [("again", "1"), ("again", "2"), ("again", "3"), ("again", "5"), ("out", "3")]:
        yield f"deliveries: {rows}"
    purged = Tally.objects.get(sync__label="add").base  # counts of the deleted deliveries
    if purged != {"synced": {"": 3}, "not_synced": {"no_consent": 1}}:
        yield f"counts of purged deliveries: {purged}"
    n_left = (
        Batch.objects.count(),
        Push.objects.count(),
        Event.objects.count(),
        Activity.objects.count(),
    )
    # Left are two batches of "again" (with 1, 2, 3 and with 5), one of "out", the new events of 1
    # to 4, and the new activity.
    if n_left != (3, 0, 4, 1):
        yield f"batches, pushes, events, activities: {n_left}"


PURGE = Scenario(
    "purge",
    prepare=_before_the_purge,
    interrupted=_purge,
    concurrent=_enter_and_purge,
    finish=_finish,
    check=_check_purged,
    allowed_ends=(
        End(
            counts={
                "add": {"entered": 4, "synced": 3, "not_synced": 1},
                "again": {"entered": 4, "synced": 4},
                "out": {"entered": 1, "synced": 1},
            },
            members={"winback": {1, 2, 5}},  # the audience of all three Syncs
        ),
    ),
)
