"""People enter at launch, wait, proceed and leave; the tallies are exact."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.groups.models import Activity
from canvases import engine, laws
from canvases.engine import admission, crowds
from canvases.models import Canvas, StepTally, Visit
from partners.models import Sync, Tally

pytestmark = pytest.mark.thorough

DELAY = ("delay", {"amount": 10, "unit": "minutes"})
SYNC = ("audience_sync", {})


def test_each_person_of_the_segment_enters_once(canvas_world):
    canvas_world.create_people(25)
    canvas, [step] = canvas_world.create_canvas(DELAY)
    canvas_world.launch(canvas)
    canvas_world.run()
    canvas_world.run()
    assert canvas_world.step_counts(step) == (25, 0, 0, 25)
    assert Canvas.objects.get().entered == 25


def test_people_added_after_the_launch_do_not_enter(canvas_world):
    canvas_world.create_people(3)
    canvas, [step] = canvas_world.create_canvas(DELAY)
    canvas_world.launch(canvas)
    canvas_world.create_people(2)
    canvas_world.run()
    assert canvas_world.step_counts(step) == (3, 0, 0, 3)


def test_a_delay_holds_people_until_it_ends(canvas_world):
    canvas_world.create_people(4)
    canvas, [first, second] = canvas_world.create_canvas(DELAY, SYNC)
    canvas_world.add_sync(second)
    canvas_world.launch(canvas)
    now = timezone.now()
    canvas_world.run(now)
    canvas_world.run(now + timedelta(minutes=9))
    assert canvas_world.step_counts(first) == (4, 0, 0, 4)
    canvas_world.run(now + timedelta(minutes=11))
    assert canvas_world.step_counts(first) == (4, 4, 0, 0)
    assert canvas_world.step_counts(second) == (4, 0, 4, 0)


def test_people_who_leave_a_sync_step_are_enqueued(canvas_world):
    canvas_world.create_people(6)
    canvas, [step] = canvas_world.create_canvas(SYNC)
    sync_row = canvas_world.add_sync(step)
    canvas_world.launch(canvas)
    canvas_world.run()
    tally = Tally.objects.get(pk=sync_row.pk)
    assert (tally.entered, tally.pending) == (6, 6)
    assert Visit.objects.filter(left_at=None).count() == 0


def test_large_crowds_advance_in_chunks(canvas_world, monkeypatch):
    monkeypatch.setattr(crowds, "CROWD", 7)
    monkeypatch.setattr(admission, "ADMISSION_CHUNK", 7)
    canvas_world.create_people(50)
    canvas, [first, second] = canvas_world.create_canvas(SYNC, SYNC)
    syncs = [canvas_world.add_sync(first), canvas_world.add_sync(second)]
    canvas_world.launch(canvas)
    canvas_world.run()
    assert [Tally.objects.get(pk=sync_row.pk).entered for sync_row in syncs] == [50, 50]
    assert canvas_world.step_counts(second) == (50, 0, 50, 0)


def test_a_first_step_without_delay_acts_at_admission(canvas_world):
    canvas_world.create_people(4)
    canvas, [first, second] = canvas_world.create_canvas(SYNC, DELAY)
    sync_row = canvas_world.add_sync(first)
    canvas_world.launch(canvas)
    engine.admit(canvas.pk, now=timezone.now())
    assert (canvas_world.step_counts(first), canvas_world.step_counts(second)) == (
        (4, 4, 0, 0),
        (4, 0, 0, 4),
    )
    assert Tally.objects.get(pk=sync_row.pk).entered == 4
    assert laws.broken(now=timezone.now()) == []


def test_only_new_people_reach_a_first_step_after_a_relaunch(canvas_world):
    canvas_world.create_people(3)
    canvas, [step] = canvas_world.create_canvas(SYNC)
    sync_row = canvas_world.add_sync(step)
    canvas_world.launch(canvas)
    canvas_world.run()
    engine.stop(canvas, by=canvas_world.user, now=timezone.now())
    canvas_world.create_people(2)
    canvas_world.launch(canvas)
    canvas_world.run()
    assert canvas_world.step_counts(step) == (5, 0, 5, 0)
    assert Tally.objects.get(pk=sync_row.pk).entered == 5


def test_a_stopped_canvas_advances_no_visit_and_pauses_adds(canvas_world):
    canvas_world.create_people(5)
    canvas, [first, second] = canvas_world.create_canvas(DELAY, SYNC)
    canvas_world.add_sync(second)
    canvas_world.launch(canvas)
    canvas_world.run()
    assert engine.stop(canvas, by=canvas_world.user, now=timezone.now())
    canvas_world.run(timezone.now() + timedelta(hours=1))
    assert canvas_world.step_counts(first) == (5, 0, 0, 5)
    assert Sync.objects.get().paused


def test_a_relaunch_admits_only_new_people(canvas_world):
    canvas_world.create_people(3)
    canvas, [step] = canvas_world.create_canvas(DELAY)
    canvas_world.launch(canvas)
    canvas_world.run()
    engine.stop(canvas, by=canvas_world.user, now=timezone.now())
    canvas_world.create_people(2)
    canvas_world.launch(canvas)
    canvas_world.run()
    assert canvas_world.step_counts(step) == (5, 0, 0, 5)


def test_a_second_launch_has_no_effect(canvas_world):
    canvas, _ = canvas_world.create_canvas(DELAY)
    assert canvas_world.launch(canvas)
    assert not canvas_world.launch(canvas)
    assert Activity.objects.filter(verb="launched").count() == 1


@pytest.mark.parametrize(
    "drift",
    [
        lambda: Tally.objects.update(pending=4, synced=2),
        lambda: StepTally.objects.update(waiting=1, exited=5),
        lambda: Canvas.objects.update(entered=7),
    ],
)
def test_drift_breaks_a_law(canvas_world, drift):
    canvas_world.create_people(6)
    canvas, [step] = canvas_world.create_canvas(SYNC)
    canvas_world.add_sync(step)
    canvas_world.launch(canvas)
    canvas_world.run()
    assert laws.broken(now=timezone.now()) == []
    drift()
    assert laws.broken(now=timezone.now())


def test_a_person_erased_during_a_delay_counts_as_cancelled(canvas_world):
    people = canvas_world.create_people(4)
    canvas, [first, second] = canvas_world.create_canvas(DELAY, SYNC)
    sync_row = canvas_world.add_sync(second)
    canvas_world.launch(canvas)
    canvas_world.run()
    people[0].delete()
    canvas_world.run(timezone.now() + timedelta(minutes=11))
    assert canvas_world.step_counts(second) == (4, 0, 4, 0)
    counts = Tally.objects.get(pk=sync_row.pk)
    assert (counts.entered, counts.pending, counts.cancelled) == (4, 3, 1)
    assert laws.broken(now=timezone.now()) == []
