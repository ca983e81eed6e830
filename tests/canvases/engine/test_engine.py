"""People enter at launch, wait, proceed and leave; the tallies are exact."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.groups.models import Activity
from canvases import engine, laws
from canvases.engine import admission, crowds
from canvases.models import Canvas, Step, Visit
from partners.models import Sync, Tally

pytestmark = pytest.mark.thorough

DELAY = ("delay", {"amount": 10, "unit": "minutes"})
SYNC = ("audience_sync", {})


def test_each_person_of_the_segment_enters_once(journeys):
    journeys.people(25)
    canvas, [step] = journeys.canvas(DELAY)
    journeys.launch(canvas)
    journeys.run()
    journeys.run()
    assert journeys.numbers(step) == (25, 0, 0, 25)
    assert Canvas.objects.get().entered == 25


def test_people_added_after_the_launch_do_not_enter(journeys):
    journeys.people(3)
    canvas, [step] = journeys.canvas(DELAY)
    journeys.launch(canvas)
    journeys.people(2)
    journeys.run()
    assert journeys.numbers(step) == (3, 0, 0, 3)


def test_a_delay_holds_people_until_it_ends(journeys):
    journeys.people(4)
    canvas, [first, second] = journeys.canvas(DELAY, SYNC)
    journeys.asks(second)
    journeys.launch(canvas)
    now = timezone.now()
    journeys.run(now)
    journeys.run(now + timedelta(minutes=9))
    assert journeys.numbers(first) == (4, 0, 0, 4)
    journeys.run(now + timedelta(minutes=11))
    assert journeys.numbers(first) == (4, 4, 0, 0)
    assert journeys.numbers(second) == (4, 0, 4, 0)


def test_people_who_leave_a_sync_step_are_enqueued(journeys):
    journeys.people(6)
    canvas, [step] = journeys.canvas(SYNC)
    sync_row = journeys.asks(step)
    journeys.launch(canvas)
    journeys.run()
    assert (
        Tally.objects.get(pk=sync_row.pk).entered,
        Tally.objects.get(pk=sync_row.pk).pending,
    ) == (
        6,
        6,
    )
    assert Visit.objects.filter(left_at=None).count() == 0


def test_large_crowds_advance_in_chunks(journeys, monkeypatch):
    monkeypatch.setattr(crowds, "CROWD", 7)
    monkeypatch.setattr(admission, "ADMISSION_CHUNK", 7)
    journeys.people(50)
    canvas, [first, second] = journeys.canvas(SYNC, SYNC)
    sent, again = journeys.asks(first), journeys.asks(second)
    journeys.launch(canvas)
    journeys.run()
    assert (Tally.objects.get(pk=sent.pk).entered, Tally.objects.get(pk=again.pk).entered) == (
        50,
        50,
    )
    assert journeys.numbers(second) == (50, 0, 50, 0)


def test_a_first_step_without_delay_acts_at_admission(journeys):
    journeys.people(4)
    canvas, [first, second] = journeys.canvas(SYNC, DELAY)
    sync_row = journeys.asks(first)
    journeys.launch(canvas)
    engine.admit(canvas.pk, now=timezone.now())
    assert (journeys.numbers(first), journeys.numbers(second)) == ((4, 4, 0, 0), (4, 0, 0, 4))
    assert Tally.objects.get(pk=sync_row.pk).entered == 4
    assert laws.broken(now=timezone.now()) == []


def test_only_new_people_reach_a_first_step_after_a_relaunch(journeys):
    journeys.people(3)
    canvas, [step] = journeys.canvas(SYNC)
    sync_row = journeys.asks(step)
    journeys.launch(canvas)
    journeys.run()
    engine.stop(canvas, by=journeys.user, now=timezone.now())
    journeys.people(2)
    journeys.launch(canvas)
    journeys.run()
    assert journeys.numbers(step) == (5, 0, 5, 0)
    assert Tally.objects.get(pk=sync_row.pk).entered == 5


def test_a_stopped_canvas_advances_no_visit_and_pauses_adds(journeys):
    journeys.people(5)
    canvas, [first, second] = journeys.canvas(DELAY, SYNC)
    journeys.asks(second)
    journeys.launch(canvas)
    journeys.run()
    assert engine.stop(canvas, by=journeys.user, now=timezone.now())
    journeys.run(timezone.now() + timedelta(hours=1))
    assert journeys.numbers(first) == (5, 0, 0, 5)
    assert Sync.objects.get().paused


def test_a_relaunch_admits_only_new_people(journeys):
    journeys.people(3)
    canvas, [step] = journeys.canvas(DELAY)
    journeys.launch(canvas)
    journeys.run()
    engine.stop(canvas, by=journeys.user, now=timezone.now())
    journeys.people(2)
    journeys.launch(canvas)
    journeys.run()
    assert journeys.numbers(step) == (5, 0, 0, 5)


def test_a_second_launch_has_no_effect(journeys):
    canvas, _ = journeys.canvas(DELAY)
    assert journeys.launch(canvas)
    assert not journeys.launch(canvas)
    assert Activity.objects.filter(verb="launched").count() == 1


@pytest.mark.parametrize(
    "drift",
    [
        lambda: Tally.objects.update(pending=4, synced=2),
        lambda: Step.objects.get().tally.__class__.objects.update(waiting=1, exited=5),
        lambda: Canvas.objects.update(entered=7),
    ],
)
def test_drift_breaks_a_law(journeys, drift):
    journeys.people(6)
    canvas, [step] = journeys.canvas(SYNC)
    journeys.asks(step)
    journeys.launch(canvas)
    journeys.run()
    assert laws.broken(now=timezone.now()) == []
    drift()
    assert laws.broken(now=timezone.now())


def test_a_person_erased_during_a_delay_counts_as_cancelled(journeys):
    people = journeys.people(4)
    canvas, [first, second] = journeys.canvas(DELAY, SYNC)
    sync_row = journeys.asks(second)
    journeys.launch(canvas)
    journeys.run()
    people[0].delete()
    journeys.run(timezone.now() + timedelta(minutes=11))
    assert journeys.numbers(second) == (4, 0, 4, 0)
    counts = Tally.objects.get(pk=sync_row.pk)
    assert (counts.entered, counts.pending, counts.cancelled) == (4, 3, 1)
    assert laws.broken(now=timezone.now()) == []
