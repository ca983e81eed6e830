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
    """Launch a canvas that mirrors a segment; then people 1 to 4 leave, stay, change and join."""
    world.people(1, 2, 3, country="DE")
    world.people(4)
    asked = world.sync("add")
    segment = Segment.objects.create(app_group=world.group, name="Germans", filter=GERMAN)
    canvas = Canvas.objects.create(
        app_group=world.group, name="Mirror", segment=segment, entry_by="segment", reentry="left"
    )
    step = Step.objects.create(
        canvas=canvas, kind="audience_sync", sync=asked, settings={"removes": True}
    )
    step.syncs.add(asked)
    engine.launch(canvas, by=world.alice, now=timezone.now())
    world.drain()
    people = {one.external_id: one for one in Profile.objects.all()}
    Profile.objects.filter(external_id="1").update(country="FR")
    Profile.objects.filter(external_id="4").update(country="DE")
    PastIdentifier.objects.create(profile=people["2"], kind="email", sha256=sha256(2))
    Profile.objects.filter(external_id="2").update(email_sha256=sha256(5))
    live_marks.note(world.group.pk, [people[name].pk for name in ("1", "2", "4")])


LIVE = Scenario(
    "live segment",
    prepare=_before_live,
    act=lambda _world: engine.beat(),
    ends=(
        End(
            {"add": {"entered": 5, "synced": 5}, "add, left": {"entered": 2, "synced": 2}},
            {"winback": {3, 4, 5}},
        ),
    ),
)


def happened(world: World, name: str, number: int, seconds: int) -> None:
    person = Profile.objects.get(external_id=str(number))
    at = timezone.now() + timedelta(seconds=seconds)
    event = Event.objects.create(app_group=world.group, profile=person, name=name, at=at)
    live_marks.note(world.group.pk, [person.pk], [event])


def _before_events(world: World) -> None:
    """A canvas with a delay that `cart` enters and `buy` leaves; 1 and 2 enter, 2 and 3 leave."""
    world.people(1, 2, 3)
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
    happened(world, "cart", 3, -9)
    engine.beat()
    happened(world, "cart", 1, -8)
    happened(world, "cart", 2, -7)
    happened(world, "buy", 2, -6)
    happened(world, "buy", 3, -5)


def _one_is_inside(_world: World) -> Iterator[str]:
    """Check that person 1 is inside, person 3 has left, and no signal is left."""
    visits = Visit.objects.values_list("profile__external_id", "left_by")
    if set(visits) != {("1", None), ("3", "event")} or len(visits) != 2:
        yield f"wrong visits: {sorted(map(str, visits))}"
    if Signal.objects.exists():
        yield "signals are left"


EVENTS = Scenario(
    "entry and exit by events",
    prepare=_before_events,
    act=lambda _world: engine.beat(),
    ends=(End({}),),
    look=_one_is_inside,
)


def _before_schedule(world: World) -> None:
    """A daily canvas whose run is due, and whose people are removed when they leave the segment."""
    world.people(1, 2, 3)
    asked = world.sync("add")
    segment = Segment.objects.create(app_group=world.group, name="everybody", filter={})
    daily = {"every": "day", "on": "2026-01-01", "at": "09:00"}
    canvas = Canvas.objects.create(
        app_group=world.group, name="Daily", segment=segment, entry_by="schedule", entry=daily
    )
    step = Step.objects.create(
        canvas=canvas, kind="audience_sync", sync=asked, settings={"removes": True}
    )
    step.syncs.add(asked)
    engine.launch(canvas, by=world.alice, now=timezone.now())
    Canvas.objects.update(next_run_at=timezone.now() - timedelta(minutes=1))


def _next_run_is_noted(_world: World) -> Iterator[str]:
    [next_run_at] = Canvas.objects.values_list("next_run_at", flat=True)
    if next_run_at is None or next_run_at <= timezone.now():
        yield f"the next run is at {next_run_at}"


SCHEDULE = Scenario(
    "run of a schedule",
    prepare=_before_schedule,
    act=lambda _world: engine.beat(),
    ends=(End({"add": {"entered": 3, "synced": 3}}, {"winback": {1, 2, 3}}),),
    look=_next_run_is_noted,
)
JOURNEYS = [LIVE, EVENTS, SCHEDULE]
