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
def canvas(canvas_world, monkeypatch):
    """A stopped canvas of three delays; eight people wait at the first one."""
    monkeypatch.setattr(crowds, "CROWD", 3)
    canvas_world.create_people(8)
    row, steps = canvas_world.create_canvas(("delay", DAY), ("delay", HOUR), ("delay", DAY))
    canvas_world.launch(row)
    canvas_world.run()
    engine.stop(row, by=canvas_world.user, now=timezone.now())
    return row, steps


def remove_step(canvas_world, step, people):
    edit.remove(step, people=people, by=canvas_world.user, now=timezone.now())
    assert laws.broken(now=timezone.now()) == []


def waiting_by_step():
    """Return step -> number of people who wait there, for steps where people wait."""
    rows = list(Visit.objects.filter(left_at=None).values_list("step", flat=True))
    return {step: rows.count(step) for step in rows}


@pytest.mark.parametrize("is_live", [False, True])
def test_one_crowd_moves_at_once_the_others_by_the_engine(canvas_world, canvas, is_live):
    row, [first, second, _third] = canvas
    remove_step(canvas_world, first, "next")
    assert waiting_by_step() == {first.pk: 5, second.pk: 3}
    if is_live:
        canvas_world.launch(row)

    assert engine.move_all(now=timezone.now())
    assert waiting_by_step() == {first.pk: 2, second.pk: 6}
    assert laws.broken(now=timezone.now()) == []

    canvas_world.run()
    assert waiting_by_step() == {second.pk: 8}
    assert laws.broken(now=timezone.now()) == []
    assert not Step.objects.filter(is_clearing=True).exists()


def test_those_who_are_to_leave_count_as_removed(canvas_world, canvas):
    row, [first, _second, _third] = canvas
    remove_step(canvas_world, first, "exit")
    canvas_world.run()

    assert waiting_by_step() == {}
    assert ExitTally.objects.get(canvas=row, reason="removed").n == 8
    assert laws.broken(now=timezone.now()) == []


@pytest.mark.parametrize("people", ["next", "exit"])
def test_the_step_they_go_to_may_be_removed_meanwhile(canvas_world, canvas, people):
    _row, [first, second, third] = canvas
    remove_step(canvas_world, first, "next")
    with pytest.raises(edit.Unanswered):
        edit.remove(second, by=canvas_world.user, now=timezone.now())
    remove_step(canvas_world, second, people)
    canvas_world.run()

    assert waiting_by_step() == ({third.pk: 8} if people == "next" else {})
    assert laws.broken(now=timezone.now()) == []


def test_a_removed_step_does_not_act_on_those_who_are_due(canvas_world, canvas):
    row, [first, _second, _third] = canvas
    remove_step(canvas_world, first, "next")
    canvas_world.launch(row)
    Visit.objects.update(due_at=timezone.now())

    assert movement.advance(first.pk, now=timezone.now()) == 0
    canvas_world.run()
    assert first.tally.proceeded == 0
    assert first.tally.withdrawn == 8


def test_people_left_behind_at_a_removed_step_break_a_law(canvas_world, canvas):
    _row, [first, _second, _third] = canvas
    remove_step(canvas_world, first, "next")
    Step.objects.filter(pk=first.pk).update(is_clearing=False, clears_to=None)

    assert laws.broken(now=timezone.now()) == [
        f"L4 step {first.pk}: 5 wait there, but it was removed"
    ]
