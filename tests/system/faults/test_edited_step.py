"""Editing a step while people are pending: the form asks what to do with them, and does it."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from audiencesync.groups.models import Activity
from canvases import analytics, engine
from canvases.models import Canvas
from partners.models import Batch, Sync, Tally
from partners.queue import flush

pytestmark = pytest.mark.thorough


def edit(client, step, audience, waiting="", **fields):
    """Save the step with another audience; ``waiting``: what to do with pending people.

    "travel": send them as before; "move": to the new audience; "discard": not at all.
    """
    step.refresh_from_db()
    form = {
        "version": step.version,
        "ad_account": audience.ad_account_id,
        "audience": audience.pk,
        "waiting": waiting,
    }
    address = reverse("step", args=["acme", step.canvas_id, step.pk])
    return client.post(address, form | {"action": "add", "kinds": ["email"]} | fields)


@pytest.fixture
def waiting_step(live_step, world):
    """Return a step with 1,000 pending people, because TikTok answers with an error."""
    world.set_fault("code", code=50000)
    engine.beat()
    world.beat_for(0.3)
    assert Tally.objects.get().pending == 1000
    return live_step


def numbers(step):
    """Return the numbers of the step, which must add up."""
    counts = analytics.step_numbers([step])[step.pk]
    assert (
        counts.entered
        == counts.synced + counts.not_synced + counts.pending + counts.errored + counts.cancelled
    )
    return counts


def test_saving_without_a_choice_changes_nothing_and_lists_the_pending_people(
    waiting_step, world, alice, signed_in
):
    page = edit(signed_in(alice), waiting_step, world.create_audience("other"))
    assert page.status_code == 422
    text = page.content.decode()
    assert "1,000 people still wait to be sent as the component asked before:" in text
    assert "1,000: <bdi>Add to “winback”</bdi>" in text
    assert "Move them: Add to “other”" in text
    assert re.search(r'value="travel"\s+id="waiting-travel"\s+required', text)
    assert "checked" not in text.split('id="waiting-move"')[1][:60]
    waiting_step.refresh_from_db()
    assert waiting_step.sync.audience.name == "winback"
    assert (
        edit(
            signed_in(alice), waiting_step, world.create_audience("third"), waiting="nonsense"
        ).status_code
        == 422
    )
    assert Sync.objects.count() == 1


def test_kept_people_go_to_the_old_audience_and_new_people_to_the_new_one(
    waiting_step, world, alice, signed_in
):
    first, second = waiting_step.sync.audience, world.create_audience("other")
    assert edit(signed_in(alice), waiting_step, second, waiting="travel").status_code == 302
    world.create_people(200)
    canvas = Canvas.objects.get()
    engine.stop(canvas, by=alice, now=timezone.now())
    engine.launch(canvas, by=alice, now=timezone.now())
    engine.beat()
    assert {tally.sync.audience: tally.pending for tally in Tally.objects.all()} == {
        first: 1000,
        second: 200,
    }
    [shares] = analytics.shares([waiting_step]).values()
    pending = [
        (share.text, n)
        for share in shares
        for name, _label, n in share.metrics
        if name == "pending"
    ]
    assert pending == [("Add to “winback”", 1000), ("Add to “other”", 200)]
    world.sandbox.faults.clear()
    world.drain()
    assert (world.members(first), world.members(second)) == (1000, 200)
    assert (numbers(waiting_step).entered, numbers(waiting_step).synced) == (1200, 1200)
    assert Activity.objects.get(verb="let_travel").subject == "Winback: 1000 (winback)"
    world.check_at_rest()


def test_moved_people_go_to_the_new_audience(waiting_step, world, alice, signed_in):
    first, second = waiting_step.sync.audience, world.create_audience("other")
    page = edit(signed_in(alice), waiting_step, second, waiting="move")
    assert page.status_code == 302
    assert numbers(waiting_step).pending == 1000
    world.sandbox.faults.clear()
    world.drain()
    assert (world.members(first), world.members(second)) == (0, 1000)
    counts = numbers(waiting_step)
    assert (counts.entered, counts.synced, counts.cancelled) == (1000, 1000, 0)
    assert Activity.objects.get(verb="moved").subject == "Winback: 1000 (winback → other)"
    assert analytics.shares([waiting_step]) == {}
    world.check_at_rest()


def test_discarded_people_are_not_sent(waiting_step, world, alice, signed_in):
    assert (
        edit(
            signed_in(alice), waiting_step, world.create_audience("other"), waiting="discard"
        ).status_code
        == 302
    )
    world.sandbox.faults.clear()
    world.drain()
    assert (numbers(waiting_step).entered, numbers(waiting_step).cancelled) == (1000, 1000)
    assert Activity.objects.get(verb="discarded").subject == "Winback: 1000 (winback)"


def test_a_change_of_fields_asks_about_pending_people_too(waiting_step, alice, signed_in):
    page = edit(
        signed_in(alice), waiting_step, waiting_step.sync.audience, kinds=["email", "phone"]
    )
    assert page.status_code == 422
    assert "Add to “winback” (Acme EU; E-mail)" in page.content.decode()


def test_people_that_may_have_arrived_are_removed_when_the_action_changes_to_remove(
    waiting_step, world, alice, signed_in
):
    audience = waiting_step.sync.audience
    assert edit(signed_in(alice), waiting_step, audience, action="remove").status_code == 422
    assert (
        edit(signed_in(alice), waiting_step, audience, waiting="move", action="remove").status_code
        == 302
    )
    world.sandbox.faults.clear()
    world.drain()
    assert (numbers(waiting_step).synced, world.members(audience)) == (1000, 0)
    world.check_at_rest()


def test_removing_a_step_asks_about_pending_people(waiting_step, alice, signed_in):
    client = signed_in(alice)
    engine.stop(Canvas.objects.get(), by=alice, now=timezone.now())
    address = reverse("step_remove", args=["acme", waiting_step.canvas_id, waiting_step.pk])
    page = client.post(address)
    assert page.status_code == 422
    assert "Move them" not in page.content.decode()
    waiting_step.refresh_from_db()
    assert waiting_step.removed_at is None
    assert client.post(address, {"waiting": "discard"}).status_code == 302
    flush.beat()
    assert (numbers(waiting_step).cancelled, numbers(waiting_step).pending) == (1000, 0)


def test_a_retry_sends_errored_people_to_the_current_audience(
    waiting_step, world, alice, signed_in
):
    first, second = waiting_step.sync.audience, world.create_audience("other")
    assert edit(signed_in(alice), waiting_step, second, waiting="travel").status_code == 302
    Batch.objects.update(deadline_at=timezone.now())
    world.beat_until(lambda: Tally.objects.get(pk=first.syncs.get().pk).errored == 1000)
    world.sandbox.faults.clear()
    world.counts_before = {}  # a retry may decrease the errored count
    signed_in(alice).post(
        reverse("step_retry", args=["acme", waiting_step.canvas_id, waiting_step.pk])
    )
    world.drain()
    assert (world.members(first), world.members(second)) == (0, 1000)
    assert (numbers(waiting_step).synced, numbers(waiting_step).errored) == (1000, 0)


@pytest.mark.parametrize("view", ["canvas_stop", "canvas_launch", "canvas_archive"])
def test_stopping_launching_and_archiving_offer_to_discard_pending_people(
    waiting_step, world, alice, signed_in, view
):
    client = signed_in(alice)
    if view != "canvas_stop":
        engine.stop(Canvas.objects.get(), by=alice, now=timezone.now())
    panel = f"{waiting_step.canvas.get_absolute_url()}?{view.removeprefix('canvas_')}=1"
    page = reverse("canvas_archive", args=["acme", waiting_step.canvas_id])
    opened = client.get(page if view == "canvas_archive" else panel).content.decode()
    assert "Discard the 1,000 pending people" in opened
    assert (
        client.post(
            reverse(view, args=["acme", waiting_step.canvas_id]), {"waiting": "discard"}
        ).status_code
        == 302
    )
    world.sandbox.faults.clear()
    flush.beat()
    assert (numbers(waiting_step).cancelled, world.members(waiting_step.sync.audience)) == (1000, 0)


def test_the_launch_panel_lists_people_pending_for_the_former_audience(
    waiting_step, world, alice, signed_in
):
    client = signed_in(alice)
    edit(client, waiting_step, world.create_audience("other"), waiting="travel")
    engine.stop(Canvas.objects.get(), by=alice, now=timezone.now())
    opened = client.get(f"{waiting_step.canvas.get_absolute_url()}?launch=1").content.decode()
    assert "people still wait to be sent as the component asked before:" in opened
    assert "<bdi>Add to “winback”</bdi>" in opened


def test_people_kept_for_the_old_audience_can_be_moved_later(waiting_step, world, alice, signed_in):
    client, second = signed_in(alice), world.create_audience("other")
    edit(client, waiting_step, second, waiting="travel")
    assert (
        'id="waiting"'
        in client.get(
            f"{waiting_step.canvas.get_absolute_url()}?step={waiting_step.pk}"
        ).content.decode()
    )
    address = reverse("step_waiting", args=["acme", waiting_step.canvas_id, waiting_step.pk])
    assert client.post(address).status_code == 422
    assert client.post(address, {"waiting": "move"}).status_code == 302
    world.sandbox.faults.clear()
    world.drain()
    assert world.members(second) == 1000
