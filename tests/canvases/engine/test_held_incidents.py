"""Removals that a brake holds are one incident of their canvas, until a member decides."""

import pytest
from django.db.models import F
from django.utils import timezone

from audiencesync.people.models.live import Signal
from audiencesync.people.segments import live
from canvases.engine import brake
from canvases.models import Canvas, Step
from canvases.staff_table import lines as lines_of_steps
from canvases.staff_table.query import TableQuery
from canvases.views import counters
from canvases.views.stage import canvas_page
from partners import sync as partner_sync
from partners.health import lines
from partners.incidents import reconcile
from partners.models import Incident, Sync, Tally
from partners.notices import alerts
from tests.support import brake_world, builder

pytestmark = pytest.mark.thorough


def _incidents():
    reconcile.run(now=timezone.now())
    return [(row.people, row.ended_at is None) for row in Incident.objects.order_by("pk")]


def test_the_author_is_mailed_once_and_when_it_is_over(world_of_ten, mailoutbox):
    Canvas.objects.update(created_by=world_of_ten.user)
    Sync.objects.update(url=f"{world_of_ten.live_canvas.get_absolute_url()}?step=1")
    brake_world.move(world_of_ten, range(4), "FR")
    alerts.send_due(now=timezone.now())
    brake_world.move(world_of_ten, range(4, 6), "FR")
    alerts.send_due(now=timezone.now())
    [mail] = mailoutbox
    assert "4 people left" in mail.body
    assert f"{world_of_ten.live_canvas.get_absolute_url()}#brake" in mail.body
    brake.lift(world_of_ten.live_canvas, by=world_of_ten.user, now=timezone.now())
    alerts.send_due(now=timezone.now())
    assert mailoutbox[1].subject.startswith("Over in Acme")


def test_held_removals_are_an_incident_until_a_member_confirms(world_of_ten):
    brake_world.move(world_of_ten, range(4), "FR")
    reconcile.run(now=timezone.now())
    row = Incident.objects.get()
    assert (row.code, row.people, row.ended_at) == ("removals_held", 4, None)
    [line] = lines.of_group(world_of_ten.app_group)
    assert "4 people left the segment" in line.problem.text
    brake_world.move(world_of_ten, [4], "FR")
    reconcile.run(now=timezone.now())
    assert Incident.objects.get().people == 5
    brake.lift(world_of_ten.live_canvas, by=world_of_ten.user, now=timezone.now())
    reconcile.run(now=timezone.now())
    assert Incident.objects.get().ended_at


def test_the_incident_is_over_once_all_have_come_back(world_of_ten):
    brake_world.move(world_of_ten, range(4), "FR")
    reconcile.run(now=timezone.now())
    brake_world.move(world_of_ten, range(4), "DE")
    reconcile.run(now=timezone.now())
    assert Incident.objects.get().ended_at


def test_held_removals_stay_one_incident_while_the_steps_change(world_of_ten, mailoutbox):
    """Held removals wait even if no step uses their Sync any more, or if the canvas has no Sync."""
    Canvas.objects.update(created_by=world_of_ten.user)
    brake_world.move(world_of_ten, range(4), "FR")
    assert _incidents() == [(4, True)]
    step = world_of_ten.live_canvas.steps.get()
    former = step.sync
    partner_sync.retire(step.syncs.all())
    assert _incidents() == [(4, True)]
    step.sync = builder.make_sync(former.audience)
    step.syncs.add(step.sync)
    step.save()
    assert _incidents() == [(4, True)]
    alerts.send_due(now=timezone.now())
    brake.lift(world_of_ten.live_canvas, by=world_of_ten.user, now=timezone.now())
    alerts.send_due(now=timezone.now())
    assert _incidents() == [(4, False)]
    assert len(mailoutbox) == 2


def test_the_author_is_mailed_of_removals_that_a_removed_component_holds(
    world_of_ten, bob, mailoutbox
):
    Canvas.objects.update(created_by=bob)
    Tally.objects.update(synced=F("pending"), pending=0)
    brake_world.move(world_of_ten, range(4), "FR")
    step = world_of_ten.live_canvas.steps.get()
    partner_sync.retire(step.syncs.all())
    Step.objects.update(removed_at=timezone.now())
    assert _incidents() == [(4, True)]
    alerts.send_due(now=timezone.now())
    assert [mail.to for mail in mailoutbox] == [[bob.email]]


def test_two_canvases_that_hold_removals_are_two_incidents(world_of_ten):
    brake_world.move(world_of_ten, range(4), "FR")
    other, [step] = world_of_ten.create_canvas(("audience_sync", {"removes": True}))
    world_of_ten.add_sync(step)
    Canvas.objects.filter(pk=other.pk).update(state="live", braked_at=timezone.now())
    entry = Signal.objects.filter(listener=world_of_ten.live_canvas.pk).first().subscription
    subscription = live.subscribe(
        other.app_group,
        listener=other.pk,
        role="entry",
        segment=entry.segment,
        now=timezone.now(),
    )
    Signal.objects.create(
        listener=other.pk, subscription=subscription, profile_id=1, kind="left", at=timezone.now()
    )
    assert sorted(_incidents()) == [(1, True), (4, True)]


def _add_step(world_of_ten, name, **settings):
    """Return a further Audience Sync step of the live canvas."""
    last = world_of_ten.live_canvas.steps.order_by("pk").last()
    row = builder.make_sync(last.sync.audience, label=name)
    step = Step.objects.create(
        canvas=world_of_ten.live_canvas,
        kind="audience_sync",
        parent=last,
        sync=row,
        settings=last.settings | settings,
        name=name,
    )
    step.syncs.add(row)
    return step


def test_each_step_whose_removals_are_held_leads_to_the_decision(world_of_ten, signed_in):
    first, second, third = (
        world_of_ten.live_canvas.steps.get(),
        _add_step(world_of_ten, "Second"),
        _add_step(world_of_ten, "Stays", removes=False),
    )
    url, client = world_of_ten.live_canvas.get_absolute_url(), signed_in(world_of_ten.user)
    version = canvas_page.read(world_of_ten.live_canvas, now=timezone.now()).version
    decision = f'<a href="{url}#brake">Check the removals</a>'
    assert decision not in client.get(f"{url}steps/{first.pk}/numbers/").content.decode()
    brake_world.move(world_of_ten, range(4), "FR")

    world_of_ten.live_canvas.refresh_from_db()
    flow = canvas_page.read(world_of_ten.live_canvas, now=timezone.now())
    assert counters.changes(flow, version) is None  # an open page draws all cards again
    for path in (f"{url}steps/{{}}/numbers/", f"{url}?step={{}}"):
        pages = [client.get(path.format(one.pk)).content.decode() for one in (first, second, third)]
        assert [decision in page for page in pages] == [True, True, False]
    # ``pages`` are those of the last path in the loop: the canvas with a step and all cards.
    cards = [pages[0].split(f'id="card-{one.pk}"')[1] for one in (first, second, third)]
    assert ["Removals are held." in card.split("</a>")[0] for card in cards] == [True, True, False]


def test_the_staff_table_names_each_step_whose_removals_are_held(world_of_ten):
    _add_step(world_of_ten, "Second")
    _add_step(world_of_ten, "Stays", removes=False)
    brake_world.move(world_of_ten, range(4), "FR")
    reconcile.run(now=timezone.now())

    step_lines = lines_of_steps.read(TableQuery(), now=timezone.now()).lines

    troubles = {line.name: line.trouble for line in step_lines}
    assert list(troubles.values()).count("removals_held") == 2
    assert troubles["Stays"] == ""
