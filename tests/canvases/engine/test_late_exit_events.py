"""An exit event that arrives late does not remove people who entered after it happened."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases import laws
from canvases.engine import exits
from canvases.models import Canvas, Step, Visit
from tests.canvases.engine.test_event_entry import BUY, CART, DELAY, send

pytestmark = pytest.mark.thorough

SYNC = ("audience_sync", {"removes": True})


@pytest.fixture(params=[[SYNC], [SYNC, DELAY]], ids=["through at once", "still inside"])
def shop_world(request, canvas_world):
    """A live canvas that adds people by `cart`, and removes them again by `buy`."""
    fields = {"external_id": "anna", "email_sha256": b"%032d" % 1}
    Profile.objects.create(app_group=canvas_world.app_group, **fields)
    canvas, steps = canvas_world.create_canvas(*request.param)
    canvas_world.add_sync(steps[0])
    Canvas.objects.filter(pk=canvas.pk).update(
        entry_by="event", entry=CART, exits={"events": [BUY]}, reentry="left", segment=None
    )
    canvas.refresh_from_db()
    canvas_world.launch(canvas)
    canvas_world.run()
    return canvas_world


def is_added():
    return exits.standing_adds(Step.objects.filter(kind="audience_sync")).exists()


@pytest.mark.parametrize(
    ("calls", "stays"),
    [
        ([[("cart", -1)], [("buy", -3)]], True),
        ([[("cart", -1), ("buy", -3)]], True),
        ([[("cart", -3)], [("buy", -1)]], False),
        ([[("cart", -3)], [("buy", -3)]], False),
    ],
    ids=["before, later", "before, at once", "after", "at the same time"],
)
def test_only_an_exit_that_comes_after_the_entry_removes(shop_world, calls, stays):
    for events in calls:
        send(shop_world, *events)
    assert is_added() == stays
    assert laws.broken(now=timezone.now()) == []


def test_an_exit_between_two_entries_removes_no_one_who_is_back(shop_world):
    send(shop_world, ("cart", -60))
    Visit.objects.update(left_at=timezone.now() - timedelta(seconds=50), step=None, due_at=None)
    send(shop_world, ("cart", -1))
    send(shop_world, ("buy", -30))
    assert is_added()
