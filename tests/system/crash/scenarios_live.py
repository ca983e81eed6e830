"""Scenarios: people enter and leave by live segments, events and schedules."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from audiencesync.people.models import Event, PastIdentifier, Profile, Segment
from audiencesync.people.models.live import Signal
from audiencesync.people.writing import live_marks
from canvases import engine
from canvases.models import Canvas, Step, Visit
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import World, sha256

GERMAN = {"all": [{"field": "country", "op": "is", "value": "DE"}]}


def _before_live(world: World) -> None:
    """Launch a canvas that mirrors a segment; then 1 leaves, 2 gets another e-mail, 4 joins."""
    world.create_people(1, 2, 3, country="DE")
    world.create_people(4)
    sync = world.create_sync("add")
    segment = Segment.objects.create(app_group=world.group, name="Germans", filter=GERMAN)
    canvas = Canvas.objects.create(
        app_group=world.group, name="Mirror", segment=segment, entry_by="segment", reentry="left"
    )
    step = Step.objects.create(
        canvas=canvas, kind="audience_sync", sync=sync, settings={"removes": True}
    )
    step.syncs.add(sync)
    engine.launch(canvas, by=world.alice, now=timezone.now())
    world.drain()
    profiles = {profile.external_id: profile for profile in Profile.objects.all()}
    Profile.objects.filter(external_id="1").update(country="FR")
    Profile.objects.filter(external_id="4").update(country="DE")
    PastIdentifier.objects.create(profile=profiles["2"], kind="email", sha256=sha256(2))
    Profile.objects.filter(external_id="2").update(email_sha256=sha256(5))
    live_marks.note(world.group.pk, [profiles[name].pk for name in ("1", "2", "4")])


LIVE = Scenario(
    "live segment",
    prepare=_before_live,
    interrupted=lambda _world: engine.beat(),
    allowed_ends=(
        End(
            # 1 and the old hash of 2 are removed; 4 and the new hash of 2 are added.
            counts={"add": {"entered": 5, "synced": 5}, "add, left": {"entered": 2, "synced": 2}},
            members={"winback": {3, 4, 5}},
        ),
    ),
)


def record_event(world: World, name: str, number: int, seconds: int) -> None:
    """Record an event of a person, ``seconds`` from now, and mark the person as changed."""
    person = Profile.objects.get(external_id=str(number))
    at = timezone.now() + timedelta(seconds=seconds)
    event = Event.objects.create(app_group=world.group, profile=person, name=name, at=at)
    live_marks.note(world.group.pk, [person.pk], [event])


def _before_events(world: World) -> None:
    """Launch a canvas with a delay that people enter by `cart` and leave by `buy`; 3 is inside.

    The next beat has signals to process: entries of 1 and 2, then exits of 2 and 3.
    """
    world.create_people(1, 2, 3)
    exits = {"events": [{"kind": "event", "name": "buy"}]}
    canvas = Canvas.objects.create(
        app_group=world.group,
        name="Carts",
        entry_by="event",
        entry={"kind": "event", "name": "cart"},
        exits=exits,
    )
    Step.objects.create(canvas=canvas, kind="delay", settings={"amount": 9, "unit": "days"})
    engine.launch(canvas, by=world.alice, now=timezone.now())
    record_event(world, "cart", 3, -9)
    engine.beat()
    record_event(world, "cart", 1, -8)
    record_event(world, "cart", 2, -7)
    record_event(world, "buy", 2, -6)
    record_event(world, "buy", 3, -5)


def _check_one_inside(_world: World) -> Iterator[str]:
    """Check that 1 is inside, 3 has left, 2 never entered, and no signal is left."""
    visits = Visit.objects.values_list("profile__external_id", "left_by")
    if set(visits) != {("1", None), ("3", "event")} or len(visits) != 2:
        yield f"wrong visits: {sorted(map(str, visits))}"
    if Signal.objects.exists():
        yield "signals are left"


EVENTS = Scenario(
    "entry and exit by events",
    prepare=_before_events,
    interrupted=lambda _world: engine.beat(),
    allowed_ends=(End(counts={}),),
    check=_check_one_inside,
)


def _before_schedule(world: World) -> None:
    """Launch a daily canvas that removes people who leave its segment; make its next run due."""
    world.create_people(1, 2, 3)
    sync = world.create_sync("add")
    segment = Segment.objects.create(app_group=world.group, name="everybody", filter={})
    # Far from now: no run comes due between the end of a scenario's work and its check.
    at = timezone.now() + timedelta(hours=12)
    daily = {"every": "day", "on": "2026-01-01", "at": f"{at:%H:%M}"}
    canvas = Canvas.objects.create(
        app_group=world.group, name="Daily", segment=segment, entry_by="schedule", entry=daily
    )
    step = Step.objects.create(
        canvas=canvas, kind="audience_sync", sync=sync, settings={"removes": True}
    )
    step.syncs.add(sync)
    engine.launch(canvas, by=world.alice, now=timezone.now())
    Canvas.objects.update(next_run_at=timezone.now() - timedelta(minutes=1))


def _check_next_run(_world: World) -> Iterator[str]:
    [next_run_at] = Canvas.objects.values_list("next_run_at", flat=True)
    if next_run_at is None or next_run_at <= timezone.now():
        yield f"the next run is at {next_run_at}"


SCHEDULE = Scenario(
    "run of a schedule",
    prepare=_before_schedule,
    interrupted=lambda _world: engine.beat(),
    allowed_ends=(
        End(counts={"add": {"entered": 3, "synced": 3}}, members={"winback": {1, 2, 3}}),
    ),
    check=_check_next_run,
)
JOURNEYS = [LIVE, EVENTS, SCHEDULE]
