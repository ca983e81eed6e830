"""Scenarios: people take branches, wait for an event, and wait at a step that is removed."""

from collections.abc import Iterator

from django.utils import timezone

from audiencesync.people.models import Segment
from audiencesync.people.models.live import Signal
from canvases import engine
from canvases.editing import edit
from canvases.engine import crowds
from canvases.models import BranchTally, Canvas, Step, Visit
from tests.system.crash.scenarios_live import record_event
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import World

GERMAN = {"field": "country", "op": "is", "value": "DE"}
ORDER = {"number": 1, "label": "Order", "kind": "event", "name": "order", "where": []}
WAIT = {"amount": 9, "unit": "days", "events": [ORDER]}


def _launch_canvas(world: World) -> Canvas:
    """Launch a canvas: 1 and 2 pass its split, 3 and 4 wait for an order; then it adds all."""
    world.create_people(1, 2, country="DE")
    world.create_people(3, 4)
    sync = world.create_sync("add")
    segment = Segment.objects.create(app_group=world.group, name="everybody", filter={})
    canvas = Canvas.objects.create(app_group=world.group, name="Journey", segment=segment)
    split = Step.objects.create(canvas=canvas, kind="decision_split", settings={"filter": GERMAN})
    Step.objects.create(canvas=canvas, kind="wait_until", settings=WAIT, parent=split, branch=2)
    after = Step.objects.create(canvas=canvas, kind="audience_sync", sync=sync, parent=split)
    after.syncs.add(sync)
    engine.launch(canvas, by=world.alice, now=timezone.now())
    engine.admit(canvas.pk, now=timezone.now())
    return canvas


def _before_split(world: World) -> None:
    _launch_canvas(world)


def _before_order(world: World) -> None:
    _launch_canvas(world)
    engine.beat()
    record_event(world, "order", 3, 0)


def _check_branches(_world: World) -> Iterator[str]:
    tallies = BranchTally.objects.filter(step__kind="decision_split")
    if dict(tallies.values_list("branch", "n")) != {1: 2, 2: 2}:
        yield f"wrong branches: {list(tallies.values())}"


def _check_one_waits(world: World) -> Iterator[str]:
    yield from _check_branches(world)
    waiting = Visit.objects.filter(left_at=None).values_list("profile__external_id", flat=True)
    if list(waiting) != ["4"]:
        yield f"these wait: {list(waiting)}"
    if Signal.objects.exists():
        yield "signals are left"


BRANCHES = Scenario(
    "branches of a split",
    prepare=_before_split,
    interrupted=lambda _world: engine.beat(),
    allowed_ends=(End(counts={"add": {"entered": 2, "synced": 2}}, members={"winback": {1, 2}}),),
    check=_check_branches,
)
WAITS = Scenario(
    "wait until an event",
    prepare=_before_order,
    interrupted=lambda _world: engine.beat(),
    allowed_ends=(
        End(counts={"add": {"entered": 3, "synced": 3}}, members={"winback": {1, 2, 3}}),
    ),
    check=_check_one_waits,
)


def _before_removal(world: World) -> None:
    """Stop the canvas while 3 and 4 wait for an order."""
    canvas = _launch_canvas(world)
    engine.beat()
    engine.stop(canvas, by=world.alice, now=timezone.now())


def _remove(world: World) -> None:
    """Remove the wait, move its people one by one, launch again. All of it can be repeated."""
    crowds.CROWD = 1  # people per transaction
    canvas = Canvas.objects.get()
    wait = Step.objects.filter(kind="wait_until", removed_at=None).first()
    if wait is not None:
        edit.remove(wait, people="next", by=world.alice, now=timezone.now())
    engine.beat()
    engine.launch(canvas, by=world.alice, now=timezone.now())
    engine.beat()


def _check_cleared(world: World) -> Iterator[str]:
    yield from _check_branches(world)
    if Visit.objects.filter(left_at=None).exists():
        yield "people are left in the canvas"
    if Step.objects.filter(is_clearing=True).exists():
        yield "people still have to leave a removed step"


REMOVES = Scenario(
    "remove a step with people",
    prepare=_before_removal,
    interrupted=_remove,
    allowed_ends=(
        End(counts={"add": {"entered": 4, "synced": 4}}, members={"winback": {1, 2, 3, 4}}),
    ),
    allowed_errors=("NotAllowed",),  # another process has removed the step, or launched the canvas
    check=_check_cleared,
)
SPLITS = [BRANCHES, WAITS, REMOVES]
