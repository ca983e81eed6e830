"""People enter and leave a canvas by events; the order in which events arrive does not matter."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.api.track import track
from audiencesync.people.models.live import Signal
from canvases import laws
from canvases.models import Canvas, ExitTally, Visit

pytestmark = pytest.mark.thorough

DELAY = ("delay", {"amount": 10, "unit": "minutes"})
CART = {"kind": "event", "name": "cart", "where": []}
BUY = {"kind": "event", "name": "buy", "where": []}


@pytest.fixture
def cart_world(canvas_world):
    """A live canvas that people enter by `cart` and leave by `buy`."""
    canvas, _steps = canvas_world.create_canvas(DELAY)
    Canvas.objects.filter(pk=canvas.pk).update(
        entry_by="event", entry=CART, exits={"events": [BUY]}, reentry="left", segment=None
    )
    canvas.refresh_from_db()
    canvas_world.launch(canvas)
    canvas_world.run()
    canvas_world.cart_canvas = canvas
    return canvas_world


def send(canvas_world, *events):
    """Send events as (name, seconds from now) in one call."""
    now = timezone.now()
    events_sent = [
        {
            "external_id": "anna",
            "name": name,
            "time": (now + timedelta(seconds=seconds)).isoformat(),
        }
        for name, seconds in events
    ]
    track(
        canvas_world.app_group, {"attributes": [], "events": events_sent, "purchases": []}, now=now
    )
    canvas_world.run()


def is_inside(canvas):
    return Visit.objects.filter(canvas=canvas, left_at=None).exists()


def test_an_event_lets_a_person_enter(cart_world):
    send(cart_world, ("cart", -1))
    assert is_inside(cart_world.cart_canvas)
    assert not Signal.objects.exists()


def test_another_event_lets_no_one_enter(cart_world):
    send(cart_world, ("view", -1))
    assert not Visit.objects.exists()


def test_an_event_before_the_launch_lets_no_one_enter_and_is_counted(cart_world, signed_in):
    send(cart_world, ("cart", -7200))
    assert not Visit.objects.exists()
    assert Canvas.objects.get(pk=cart_world.cart_canvas.pk).too_old == 1
    send(cart_world, ("view", -7200), ("cart", -1))
    page = signed_in(cart_world.user).get(cart_world.cart_canvas.get_absolute_url(), {"entry": 1})
    assert "1 event was too old to let a person enter." in page.content.decode()


@pytest.mark.parametrize(
    "calls",
    [
        [[("cart", -3), ("buy", -1)]],
        [[("buy", -1), ("cart", -3)]],
        [[("cart", -3)], [("buy", -1)]],
        [[("buy", -1)], [("cart", -3)]],
    ],
    ids=["one call", "one call, backwards", "two calls", "two calls, backwards"],
)
def test_a_person_who_bought_after_the_cart_is_outside(cart_world, calls):
    for events in calls:
        send(cart_world, *events)
    assert not is_inside(cart_world.cart_canvas)
    assert laws.broken(now=timezone.now()) == []


@pytest.mark.parametrize(
    "calls",
    [
        [[("buy", -3), ("cart", -1)]],
        [[("buy", -3)], [("cart", -1)]],
        [[("cart", -1)], [("buy", -3)]],
    ],
    ids=["one call", "two calls", "two calls, backwards"],
)
def test_a_person_who_bought_before_the_cart_is_inside(cart_world, calls):
    for events in calls:
        send(cart_world, *events)
    assert is_inside(cart_world.cart_canvas)


def test_an_exit_is_counted_with_its_reason(cart_world):
    send(cart_world, ("cart", -3))
    send(cart_world, ("buy", -1))
    assert ExitTally.objects.get(canvas=cart_world.cart_canvas, reason="event").n == 1
    assert laws.broken(now=timezone.now()) == []


def test_an_event_twice_lets_a_person_enter_once(cart_world):
    send(cart_world, ("cart", -3), ("cart", -3))
    send(cart_world, ("cart", -2))
    assert Visit.objects.count() == 1
