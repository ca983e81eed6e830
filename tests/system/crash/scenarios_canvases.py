"""Scenarios: canvases admit and move profiles."""

from django.utils import timezone

from audiencesync.people.models import Segment
from canvases import engine
from canvases.models import Canvas, Step
from partners.models import Sync
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import World


def _canvas(world: World, *labels: str) -> Canvas:
    """Return a canvas with one Audience Sync step per Sync."""
    segment = Segment.objects.create(app_group=world.group, name="everybody", filter={})
    canvas = Canvas.objects.create(app_group=world.group, name="Journey", segment=segment)
    parent = None
    for label in labels:
        sync = Sync.objects.get(label=label)
        parent = Step.objects.create(canvas=canvas, kind="audience_sync", parent=parent, sync=sync)
        parent.syncs.add(sync)  # its current Sync and all former ones
    return canvas


def _before_advance(world: World) -> None:
    """Launch a canvas; three profiles stand before its first step."""
    _before_admit(world)
    engine.admit(Canvas.objects.get().pk, now=timezone.now())


def _before_admit(world: World) -> None:
    world.create_people(1, 2, 3)
    world.create_sync("add")
    world.create_sync("add too", audience="other")
    engine.launch(_canvas(world, "add", "add too"), by=world.alice, now=timezone.now())


ALL_THROUGH = End(
    counts={"add": {"entered": 3, "synced": 3}, "add too": {"entered": 3, "synced": 3}},
    members={"winback": {1, 2, 3}, "other": {1, 2, 3}},
)
# The beats only enqueue. `World.drain`, which each run ends with, sends.
ADVANCE = Scenario(
    "advance",
    prepare=_before_advance,
    interrupted=lambda _world: engine.beat(),
    allowed_ends=(ALL_THROUGH,),
)
ADMIT = Scenario(
    "admit and advance",
    prepare=_before_admit,
    interrupted=lambda _world: engine.beat(),
    allowed_ends=(ALL_THROUGH,),
)
