"""Scenarios: people take branches, wait for something, and wait where a step is removed."""

from collections.abc import Iterator

from django.utils import timezone

from audiencesync.people.models import Segment
from audiencesync.people.models.live import Signal
from canvases import engine
from canvases.editing import edit
from canvases.engine import crowds
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


def _before_removal(world: World) -> None:
    """Stop the canvas while 3 and 4 wait for an order."""
    canvas = _launched(world)
    engine.beat()
    engine.stop(canvas, by=world.alice, now=timezone.now())


def _remove(world: World) -> None:
    """Remove the wait, move its people one by one, launch again: all in steps that may repeat."""
    crowds.CROWD = 1
    canvas = Canvas.objects.get()
    wait = Step.objects.filter(kind="wait_until", removed_at=None).first()
    if wait is not None:
        edit.remove(wait, people="next", by=world.alice, now=timezone.now())
    engine.beat()
    engine.launch(canvas, by=world.alice, now=timezone.now())
    engine.beat()


def _cleared(world: World) -> Iterator[str]:
    yield from _divided(world)
    if Visit.objects.filter(left_at=None).exists():
        yield "people are left in the canvas"
    if Step.objects.filter(is_clearing=True).exists():
        yield "a removed step is not clear"


REMOVES = Scenario(
    "remove a step with people",
    prepare=_before_removal,
    act=_remove,
    ends=(End({"add": {"entered": 4, "synced": 4}}, {"winback": {1, 2, 3, 4}}),),
    excused=("NotAllowed",),  # removed and launched by others meanwhile
    look=_cleared,
)
SPLITS = [BRANCHES, WAITS, REMOVES]
