"""People who wait at a removed step are moved crowd by crowd."""

import pytest
from django.utils import timezone

from canvases import engine, laws
from canvases.editing import edit
from canvases.engine import crowds, movement
from canvases.models import ExitTally, Step, Visit

pytestmark = pytest.mark.thorough

DAY = {"amount": 1, "unit": "days"}
HOUR = {"amount": 1, "unit": "hours"}


@pytest.fixture
def canvas(journeys, monkeypatch):
    """A stopped canvas of three delays; eight people wait at the first one."""
    monkeypatch.setattr(crowds, "CROWD", 3)
    journeys.people(8)
    row, steps = journeys.canvas(("delay", DAY), ("delay", HOUR), ("delay", DAY))
    journeys.launch(row)
    journeys.run()
    engine.stop(row, by=journeys.user, now=timezone.now())
    return row, steps


def remove(journeys, step, people):
    edit.remove(step, people=people, by=journeys.user, now=timezone.now())
    assert laws.broken(now=timezone.now()) == []


def where():
    """Return how many wait at each step that people wait at."""
    rows = list(Visit.objects.filter(left_at=None).values_list("step", flat=True))
    return {step: rows.count(step) for step in rows}


@pytest.mark.parametrize("is_live", [False, True])
def test_one_crowd_moves_at_once_the_others_by_the_engine(journeys, canvas, is_live):
    row, [first, second, _third] = canvas
    remove(journeys, first, "next")
    assert where() == {first.pk: 5, second.pk: 3}
    if is_live:
        journeys.launch(row)

    assert engine.move_all(now=timezone.now())
    assert where() == {first.pk: 2, second.pk: 6}
    assert laws.broken(now=timezone.now()) == []

    journeys.run()
    assert where() == {second.pk: 8}
    assert laws.broken(now=timezone.now()) == []
    assert not Step.objects.filter(is_clearing=True).exists()


def test_those_who_are_to_leave_count_as_removed(journeys, canvas):
    row, [first, _second, _third] = canvas
    remove(journeys, first, "exit")
    journeys.run()

    assert where() == {}
    assert ExitTally.objects.get(canvas=row, reason="removed").n == 8
    assert laws.broken(now=timezone.now()) == []


@pytest.mark.parametrize("people", ["next", "exit"])
def test_where_they_go_may_be_removed_meanwhile(journeys, canvas, people):
    _row, [first, second, third] = canvas
    remove(journeys, first, "next")
    with pytest.raises(edit.Unanswered):
        edit.remove(second, by=journeys.user, now=timezone.now())
    remove(journeys, second, people)
    journeys.run()

    assert where() == ({third.pk: 8} if people == "next" else {})
    assert laws.broken(now=timezone.now()) == []


def test_a_removed_step_does_not_act_on_those_who_are_due(journeys, canvas):
    row, [first, _second, _third] = canvas
    remove(journeys, first, "next")
    journeys.launch(row)
    Visit.objects.update(due_at=timezone.now())

    assert movement.advance(first.pk, now=timezone.now()) == 0
    journeys.run()
    assert first.tally.proceeded == 0
    assert first.tally.withdrawn == 8


def test_people_left_behind_at_a_removed_step_break_a_law(journeys, canvas):
    _row, [first, _second, _third] = canvas
    remove(journeys, first, "next")
    Step.objects.filter(pk=first.pk).update(is_clearing=False, clears_to=None)

    assert laws.broken(now=timezone.now()) == [
        f"L4 step {first.pk}: 5 wait there, but it was removed"
    ]
