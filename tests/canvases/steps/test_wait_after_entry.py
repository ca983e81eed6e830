"""People enter by an event and wait for another one; both events may come in one call."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.api.track import track
from canvases import laws
from canvases.models import BranchTally, Canvas, Visit

pytestmark = pytest.mark.thorough

DAY = {"amount": 1, "unit": "days"}
GERMAN = {"filter": {"field": "country", "op": "is", "value": "DE"}}
NO = 2
BEFORE = {
    "nothing": [],
    "two splits": [
        ("first", "decision_split", GERMAN, None, 0),
        (
            "before",
            "audience_paths",
            {"paths": [{"number": 1, "name": "DE"} | GERMAN]},
            "first",
            NO,
        ),
    ],
    "a delay": [("before", "delay", DAY, None, 0)],
    "a delay and a split": [
        ("first", "delay", DAY, None, 0),
        ("before", "decision_split", GERMAN, "first", 0),
    ],
}


def named(name):
    return {"kind": "event", "name": name, "where": []}


@pytest.fixture
def carts(canvas_world, before):
    """People enter by a cart, then wait for an order or for another cart."""
    rows = [
        {"number": n, "label": name, **named(name)} for n, name in enumerate(["order", "cart"], 1)
    ]
    steps = BEFORE[before]
    wait = ("wait", "wait_until", DAY | {"events": rows}, "before" if steps else None, 0)
    canvas, canvas_world.steps = canvas_world.create_flow(*steps, wait)
    by_event = {"entry_by": "event", "entry": named("cart"), "segment": None}
    Canvas.objects.filter(pk=canvas.pk).update(**by_event)
    canvas.refresh_from_db()
    canvas_world.launch(canvas)
    return canvas_world


def send(canvas_world, *events):
    """Send events of one person as (name, time) in one call."""
    sent = [
        {"external_id": "p0", "name": name, "time": at.isoformat(), "properties": {}}
        for name, at in events
    ]
    body = {"attributes": [], "events": sent, "purchases": []}
    track(canvas_world.app_group, body, now=timezone.now())
    canvas_world.run()


def branch_counts(canvas_world):
    tallies = BranchTally.objects.filter(step=canvas_world.steps["wait"])
    return dict(tallies.values_list("branch", "n"))


@pytest.mark.parametrize("before", ["nothing", "two splits"])
@pytest.mark.parametrize("after", [2, 0, -2], ids=["after", "in the same second", "before"])
@pytest.mark.parametrize(
    "calls", [["cart order"], ["order cart"], ["cart", "order"], ["order", "cart"]], ids="-".join
)
def test_an_event_after_the_entry_event_counts_in_any_order_of_arrival(carts, after, calls):
    cart = timezone.now().replace(microsecond=0) - timedelta(seconds=5)
    times = {"cart": cart, "order": cart + timedelta(seconds=after)}
    for call in calls:
        send(carts, *[(name, times[name]) for name in call.split()])

    assert branch_counts(carts) == ({1: 1} if after >= 0 else {})
    assert laws.broken(now=timezone.now()) == []


@pytest.mark.parametrize("before", ["nothing", "two splits"])
def test_an_event_that_lets_enter_is_not_the_one_that_is_waited_for(carts):
    cart = timezone.now() - timedelta(seconds=5)
    send(carts, ("cart", cart))
    assert branch_counts(carts) == {}
    assert Visit.objects.get().step == carts.steps["wait"]

    send(carts, ("cart", cart + timedelta(seconds=2)))
    assert branch_counts(carts) == {2: 1}


@pytest.mark.parametrize("before", ["a delay", "a delay and a split"])
def test_what_happened_while_a_delay_held_the_person_does_not_count(carts):
    cart = timezone.now() - timedelta(seconds=5)
    send(carts, ("cart", cart), ("order", cart + timedelta(seconds=2)))
    carts.run(timezone.now() + timedelta(hours=25))
    assert Visit.objects.get().step == carts.steps["wait"]
    send(carts, ("order", cart + timedelta(seconds=3)))

    assert branch_counts(carts) == {}
