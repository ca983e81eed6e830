"""F32: a step is edited while people wait. Who has entered goes where the step led then, newcomers where it leads now."""

from django.urls import reverse
from django.utils import timezone

from canvases import analytics, engine
from canvases.models import Canvas
from partners.models import Sync, Tally


def edit(client, step, audience):
    """Save the step with another audience."""
    step.refresh_from_db()
    wish = {"version": step.version, "ad_account": audience.ad_account_id, "audience": audience.pk}
    address = reverse("step", args=["acme", step.canvas_id, step.pk])
    return client.post(address, wish | {"action": "add", "kinds": ["email"]})


def test_who_waits_goes_to_the_old_audience_and_newcomers_to_the_new_one(live, town, alice, signed_in):
    first, second = live.sync.audience, town.audience("other")
    town.fault("code", code=50000)
    engine.beat()
    town.beats(0.3)
    assert edit(signed_in(alice), live, second).status_code == 302
    town.people(200)
    canvas = Canvas.objects.get()
    engine.stop(canvas, by=alice, now=timezone.now())
    engine.launch(canvas, by=alice, now=timezone.now())
    engine.beat()
    assert {tally.sync.audience: tally.pending for tally in Tally.objects.all()} == {first: 1000, second: 200}
    town.sandbox.faults.clear()
    town.settle()
    assert (town.members(first), town.members(second)) == (1000, 200)
    numbers = analytics.step_numbers([live])[live.pk]
    assert (numbers.entered, numbers.synced, numbers.pending) == (1200, 1200, 0)
    assert Sync.objects.count() == 2
    town.judge()
