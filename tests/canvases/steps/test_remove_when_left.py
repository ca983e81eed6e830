"""An Audience Sync step removes people again when they leave, and shows it."""

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from audiencesync.groups.models import Activity
from canvases import analytics, laws
from canvases.editing import edit
from canvases.models import Canvas
from canvases.people_lists import retry
from partners import sync
from partners.models import Batch, Sync, Tally
from tests.support import builder

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def step(bob_editor, winback):
    """A step that adds people to winback and removes them again when they leave."""
    step = bob_editor.add_step("audience_sync")
    assert bob_editor.save_sync(step, winback, removes="on").status_code == 302
    step.refresh_from_db()
    return step


def leave(to_sync, people):
    """Enter people, then let them leave."""
    crowd = type(people[0]).objects.filter(pk__in=[person.pk for person in people])
    builder.enter(to_sync, crowd)
    with transaction.atomic():
        sync.withdraw(to_sync, [person.pk for person in people], now=timezone.now())


def settle(to_sync, state):
    """End all batches of a Sync, and count them."""
    n = sum(Batch.objects.filter(sync=to_sync).values_list("n", flat=True))
    now = timezone.now()
    Batch.objects.filter(sync=to_sync).update(state=state, settled_at=now, last_code="50000")
    Tally.objects.filter(pk=to_sync.pk).update(pending=0, **{state: n})
    assert laws.broken(now=now) == []


@pytest.fixture
def undo_sync(step, winback, people):
    """Three people left, one of whom the canvas Seed still claims. Return the undo Sync."""
    seed = builder.make_sync(winback, label="Seed: winback", url="/seed")
    builder.enter(seed, type(people[0]).objects.filter(pk=people[0].pk))
    leave(step.sync, people[:3])
    return Sync.objects.get(undoes=step.sync)


def test_the_tick_is_stored_only_where_people_are_added(bob_editor, step, winback):
    assert step.settings["removes"] is True
    bob_editor.save_sync(step, winback, action="remove", removes="on")
    step.refresh_from_db()
    assert "removes" not in step.settings


def test_the_tick_changes_no_sync_and_is_logged(bob_editor, step, winback, acme):
    before = step.sync_id
    bob_editor.save_sync(step, winback)
    step.refresh_from_db()
    assert ("removes" in step.settings, step.sync_id) == (False, before)
    changes = [
        str(change) for row in Activity.objects.filter(app_group=acme) for change in row.changes
    ]
    assert any("Remove people again when they leave" in change for change in changes)


@pytest.mark.parametrize(
    ("entry_by", "is_ticked"), [(Canvas.EntryBy.SEGMENT, True), (Canvas.EntryBy.LAUNCH, False)]
)
def test_a_new_step_of_a_canvas_that_is_kept_up_to_date_is_ticked(
    bob_editor, canvas, entry_by, is_ticked
):
    step = bob_editor.add_step("audience_sync")
    Canvas.objects.filter(pk=canvas.pk).update(entry_by=entry_by)
    page = bob_editor.get(step=step.pk).content.decode()
    box = page[page.index('name="removes"') :].split(">")[0]
    assert ("checked" in box) == is_ticked


def test_a_step_saved_without_the_tick_stays_without(bob_editor, step, winback, canvas):
    bob_editor.save_sync(step, winback)
    Canvas.objects.filter(pk=canvas.pk).update(entry_by=Canvas.EntryBy.SEGMENT)
    page = bob_editor.get(step=step.pk).content.decode()
    assert "checked" not in page[page.index('name="removes"') :].split(">")[0]


def test_the_card_says_that_people_are_removed(bob_editor, step):
    assert "Add to “winback”, and remove when they leave" in bob_editor.get().content.decode()


def test_the_numbers_count_removed_people_and_those_whom_a_canvas_keeps(
    bob_editor, step, undo_sync
):
    settle(undo_sync, "synced")
    page = bob_editor.get(step=step.pk, tab="numbers").content.decode()
    for name, n in {"synced": 2, "wanted": 1}.items():
        cell = page[page.index(f'data-removed="{name}"') :].split("</td>")[0]
        assert f"?number=removed_{name}" in cell
        assert f">{n}</a>" in cell
    assert '<a href="/seed"><bdi>Seed: winback</bdi></a>: 1' in page


def test_the_numbers_of_many_steps_are_read_in_one_query(
    step, undo_sync, django_assert_num_queries
):
    with django_assert_num_queries(1):
        counts = analytics.removal_numbers([step] * 9)
    assert counts == {step.pk: analytics.Removed(wanted=1, pending=2)}


def test_those_who_stay_are_listed_with_the_time_of_their_visit(
    bob_editor, step, undo_sync, canvas, people
):
    settle(undo_sync, "synced")
    visit = canvas.visits.create(pk=people[0].pk, profile=people[0], entered_at=timezone.now())
    page = bob_editor.get(step=step.pk, reasons=1).content.decode()
    assert "People who left: not removed" in page
    url = reverse("step_people", args=[canvas.app_group.slug, canvas.pk, step.pk])
    answer = bob_editor.client.get(url, {"number": "removed_wanted"})
    assert [line.entered_at for line, _person in answer.context["people"]] == [visit.entered_at]
    assert not bob_editor.client.get(url, {"number": "not_synced"}).context["people"]


def test_errored_removals_are_tried_again(bob_editor, step, undo_sync):
    settle(step.sync, "synced")
    settle(undo_sync, "errored")
    assert "Retry these 2" in bob_editor.get(step=step.pk, tab="numbers").content.decode()
    assert retry.retry_errored(step, now=timezone.now()) == 2
    undo_sync.tally.refresh_from_db()
    assert undo_sync.tally.pending == 2


def test_removals_follow_launch_and_stop_and_the_name_of_the_canvas(
    bob_editor, step, undo_sync, people
):
    bob_editor.post("canvas_launch")
    undo_sync.refresh_from_db()
    assert (undo_sync.is_live, undo_sync.paused) == (True, False)
    bob_editor.post("canvas_stop")
    undo_sync.refresh_from_db()
    assert (undo_sync.is_live, undo_sync.paused) == (False, False)
    bob_editor.post("canvas_entry", name="Other", segment=bob_editor.canvas.segment_id, version=1)
    undo_sync.refresh_from_db()
    assert undo_sync.label == "Other: winback"


def test_a_pending_removal_keeps_the_trouble_of_a_stopped_canvas(
    step, undo_sync, connection, canvas
):
    connection.token_sealed = ""
    connection.save()
    settle(step.sync, "synced")
    Sync.objects.update(is_live=False)
    assert analytics.troubles([canvas])[canvas.pk].step == step.pk


def test_an_archived_canvas_claims_no_people(step, canvas, bob):
    edit.archive(canvas, by=bob, now=timezone.now())
    assert not Sync.objects.get(pk=step.sync_id).claims
    edit.unarchive(canvas, by=bob, now=timezone.now())
    assert Sync.objects.get(pk=step.sync_id).claims
