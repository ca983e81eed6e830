"""A duplicate is a draft with the same entry and flow, but with no people and no shared Sync."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.people.models import Segment
from canvases import engine
from canvases.editing import duplicate
from canvases.models import Canvas, ExitSegment, Step
from partners.models import Sync

pytestmark = pytest.mark.django_db
# Columns that a duplicate does not take over; a new column has to be put into one of the lists.
OWN = {
    *("id", "api_id", "app_group_id", "name", "state", "version"),
    *("created_by_id", "created_at", "edited_by_id", "edited_at", "launched_at", "stopped_at"),
    *("entry_cursor", "entry_until", "next_run_at", "serial"),
    *("braked_at", "brake_lifted_at", "brake_seen", "brake_waiting"),
    *("turned_away", "too_old", "entered", "entered_on", "entered_that_day"),
    *("first_entry_at", "last_entry_at", "hours_base"),
}


def duplicated(bob_editor):
    assert bob_editor.post("canvas_duplicate").status_code == 302
    return Canvas.objects.latest("pk")


def flow(canvas):
    """Return each step as its path of kinds and branches from the first, with its settings."""
    rows = {row.pk: row for row in canvas.steps.filter(removed_at=None)}

    def path(row):
        before = path(rows[row.parent_id]) if row.parent_id else ()
        return (*before, (row.branch, row.kind))

    return {path(row): (row.settings, row.name, row.description) for row in rows.values()}


@pytest.fixture
def split(bob_editor, segment, winback):
    """A split by the segment, with two Audience Sync steps, an exit and a delay."""
    row = bob_editor.add_step("decision_split")
    bob_editor.save_sync(bob_editor.add_step("audience_sync", row, 1), winback)
    names = {"step_name": "Leave", "step_description": "They bought"}
    bob_editor.post("step", bob_editor.add_step("exit", row, 2).pk, version=1, **names)
    bob_editor.save_sync(bob_editor.add_step("audience_sync", row), winback, action="remove")
    chosen = {"kind-0.0": "segment", "op-0.0": "in", "segment-0.0": str(segment.api_id)}
    bob_editor.post("step", row.pk, version=row.version, **chosen)
    return row


def test_a_duplicate_has_the_flow_and_the_entry(bob_editor, bob, split, canvas, acme):
    vip = Segment.objects.create(app_group=acme, name="VIP")
    ExitSegment.objects.create(canvas=canvas, segment=vip)
    Canvas.objects.filter(pk=canvas.pk).update(description="Why", cap_total=7, reentry="left")

    copy = duplicated(bob_editor)

    assert (copy.name, copy.state, copy.created_by) == ("Copy of Cart", "draft", bob)
    assert (copy.description, copy.cap_total, copy.reentry) == ("Why", 7, "left")
    assert copy.segment == canvas.segment
    assert [segment.segment for segment in copy.exit_segments.all()] == [vip]
    assert flow(copy) == flow(canvas)
    assert copy.steps.get(kind="decision_split").segment_uses.count() == 1


def test_a_duplicate_of_a_live_canvas_shares_no_sync(bob_editor, bob, split, canvas, people):
    engine.launch(canvas, by=bob, now=timezone.now())
    copy = duplicated(bob_editor)

    theirs = Sync.objects.filter(steps__canvas=canvas)
    mine = Sync.objects.filter(steps__canvas=copy)
    assert not set(theirs) & set(mine)
    assert sorted(mine.values_list("action", "kinds", "audience", "is_live", "paused")) == sorted(
        (one.action, one.kinds, one.audience_id, False, False) for one in theirs
    )
    assert {one.label for one in mine} == {"Copy of Cart: winback"}
    for step in copy.steps.filter(kind="audience_sync"):
        assert list(step.syncs.all()) == [step.sync]
        assert step.sync.url.endswith(f"/{copy.pk}/?step={step.pk}")
        assert not step.sync.is_used
    assert not copy.visits.exists()


def test_a_removed_step_is_not_copied(bob_editor, canvas):
    bob_editor.add_step("delay")
    Step.objects.create(canvas=canvas, kind="exit", removed_at=timezone.now())

    assert [row.kind for row in duplicated(bob_editor).steps.all()] == ["delay"]


def test_a_long_name_is_cut(bob_editor, canvas):
    Canvas.objects.filter(pk=canvas.pk).update(name="x" * 120)

    assert len(duplicated(bob_editor).name) == 120


def test_each_column_is_copied_or_left_on_purpose():
    columns = {field.attname for field in Canvas._meta.concrete_fields}

    assert columns == OWN | set(duplicate.CANVAS_COLUMNS)


def queries(canvas, bob):
    with CaptureQueriesContext(connection) as seen:
        duplicate.duplicate(canvas, by=bob, now=timezone.now())
    return len(seen)


def test_the_number_of_queries_does_not_grow(bob_editor, bob, canvas, winback):
    last = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(last, winback)
    few = queries(canvas, bob)
    last.refresh_from_db()
    for _n in range(30):
        last = Step.objects.create(
            canvas=canvas, kind="audience_sync", parent=last, settings=last.settings
        )

    assert queries(canvas, bob) == few
