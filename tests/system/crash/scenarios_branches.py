"""Scenarios: people take the branches of a split, and wait until something happens."""

from collections.abc import Iterator

from django.utils import timezone

from audiencesync.people.models import Segment
from audiencesync.people.models.live import Signal
from canvases import engine
from canvases.models import BranchTally, Canvas, Step, Visit
from tests.system.crash.scenarios_live import happened
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import World

GERMAN = {"field": "country", "op": "is", "value": "DE"}
ORDER = {"number": 1, "label": "Order", "kind": "event", "name": "order", "where": []}
WAIT = {"amount": 9, "unit": "days", "events": [ORDER]}


def _launched(world: World) -> Canvas:
    """Launch: 1 and 2 go past a split at once, 3 and 4 wait for an order; then all are added."""
    world.people(1, 2, country="DE")
    world.people(3, 4)
    asked = world.sync("add")
    segment = Segment.objects.create(app_group=world.group, name="everybody", filter={})
    canvas = Canvas.objects.create(app_group=world.group, name="Journey", segment=segment)
    split = Step.objects.create(canvas=canvas, kind="decision_split", settings={"filter": GERMAN})
    Step.objects.create(canvas=canvas, kind="wait_until", settings=WAIT, parent=split, branch=2)
    after = Step.objects.create(canvas=canvas, kind="audience_sync", sync=asked, parent=split)
    after.syncs.add(asked)
    engine.launch(canvas, by=world.alice, now=timezone.now())
    engine.admit(canvas.pk, now=timezone.now())
    return canvas


def _before_split(world: World) -> None:
    _launched(world)


def _before_order(world: World) -> None:
    _launched(world)
    engine.beat()
    happened(world, "order", 3, 0)


def _divided(_world: World) -> Iterator[str]:
    tallies = BranchTally.objects.filter(step__kind="decision_split")
    if dict(tallies.values_list("branch", "n")) != {1: 2, 2: 2}:
        yield f"wrong branches: {list(tallies.values())}"


def _one_waits(world: World) -> Iterator[str]:
    yield from _divided(world)
    waiting = Visit.objects.filter(left_at=None).values_list("profile__external_id", flat=True)
    if list(waiting) != ["4"]:
        yield f"these wait: {list(waiting)}"
    if Signal.objects.exists():
        yield "signals are left"


BRANCHES = Scenario(
    "branches of a split",
    prepare=_before_split,
    act=lambda _world: engine.beat(),
    ends=(End({"add": {"entered": 2, "synced": 2}}, {"winback": {1, 2}}),),
    look=_divided,
)
WAITS = Scenario(
    "wait until an event",
    prepare=_before_order,
    act=lambda _world: engine.beat(),
    ends=(End({"add": {"entered": 3, "synced": 3}}, {"winback": {1, 2, 3}}),),
    look=_one_waits,
)
SPLITS = [BRANCHES, WAITS]
