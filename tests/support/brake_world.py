"""A live audience whose brake holds removals as soon as more than three people leave."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile, Segment
from audiencesync.people.segments import live
from canvases.models import Canvas
from partners.models import Delivery
from tests.support.canvas_world import catch_up, change_people

GERMAN = {"all": [{"field": "country", "op": "is", "value": "DE"}]}


@pytest.fixture
def world_of_ten(canvas_world, settings):
    """A canvas world with a live canvas of ten people, three of whom may leave at once."""
    settings.REMOVAL_BRAKE_PEOPLE, settings.REMOVAL_BRAKE_PERCENT = 2, 30
    canvas_world.segment = Segment.objects.create(
        app_group=canvas_world.app_group, name="Germans", filter=GERMAN
    )
    canvas_world.create_people(10)
    Profile.objects.update(country="DE")
    canvas, [step] = canvas_world.create_canvas(("audience_sync", {"removes": True}))
    canvas_world.add_sync(step)
    Canvas.objects.filter(pk=canvas.pk).update(entry_by="segment", reentry="left")
    canvas.refresh_from_db()
    canvas_world.launch(canvas)
    catch_up(canvas_world)
    canvas_world.live_canvas = canvas
    return canvas_world


def move(canvas_world, numbers, country):
    """Move people to a country, and let segments and engine process it."""
    leave(canvas_world, numbers, country)
    catch_up(canvas_world)


def leave(canvas_world, numbers, country="FR"):
    """Move people to a country; their signals are written, but not processed."""
    change_people(canvas_world, *(f"p{n}" for n in numbers), country=country)
    while live.work(now=timezone.now(), seconds=9):
        pass


def removals():
    return Delivery.objects.filter(sync__action="remove").count()


def is_braked(canvas_world):
    canvas_world.live_canvas.refresh_from_db()
    return canvas_world.live_canvas.braked_at is not None
