"""The flow of a canvas is edited by form posts: add, move, remove."""

import pytest
from django.utils import timezone

from canvases.models import Step, StepTally, Visit

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


def flow(canvas):
    """Return the ids of the steps in the order of the flow."""
    found, parent = [], None
    while step := Step.objects.filter(canvas=canvas, parent=parent, removed_at=None).first():
        found.append(step.pk)
        parent = step
    return found


def test_steps_are_added_first_last_and_between(bob_editor, canvas):
    one = bob_editor.add_step("delay")
    two = bob_editor.add_step("audience_sync", one)
    between = bob_editor.add_step("delay", one)
    first = bob_editor.add_step("delay")

    assert flow(canvas) == [first.pk, one.pk, between.pk, two.pk]


@pytest.mark.parametrize(("to", "order"), [("up", [1, 0, 2]), ("down", [0, 2, 1])])
def test_a_step_is_moved(bob_editor, canvas, to, order):
    steps = [bob_editor.add_step("delay")]
    steps += [bob_editor.add_step("delay", steps[0])]
    steps += [bob_editor.add_step("delay", steps[1])]

    bob_editor.post("step_move", steps[1].pk, to=to)

    assert flow(canvas) == [steps[n].pk for n in order]


@pytest.mark.parametrize("to", ["up", "down"])
def test_a_move_beyond_the_end_does_nothing(bob_editor, canvas, to):
    step = bob_editor.add_step("delay")

    answer = bob_editor.post("step_move", step.pk, to=to)

    assert answer.status_code == 302
    assert flow(canvas) == [step.pk]


def test_steps_after_a_removed_step_move_up(bob_editor, canvas):
    one = bob_editor.add_step("delay")
    two = bob_editor.add_step("delay", one)
    three = bob_editor.add_step("delay", two)

    bob_editor.post("step_remove", two.pk)

    assert flow(canvas) == [one.pk, three.pk]
    assert not Step.objects.filter(pk=two.pk).exists()


def test_a_removed_step_with_visits_keeps_its_numbers(bob_editor, canvas, people):
    one = bob_editor.add_step("delay")
    StepTally.objects.create(step=one, entered=1, exited=1)
    Visit.objects.create(
        canvas=canvas, profile=people[0], entered_at=timezone.now(), left_at=timezone.now()
    )
    canvas.entered, canvas.state = 1, "stopped"
    canvas.save()

    bob_editor.post("step_remove", one.pk)

    assert flow(canvas) == []
    assert Step.objects.get(pk=one.pk).removed_at
    assert "removed" in bob_editor.get().content.decode()


def test_a_step_with_waiting_people_is_not_removed(bob_editor, canvas, people):
    one = bob_editor.add_step("delay")
    now = timezone.now()
    Visit.objects.create(canvas=canvas, profile=people[0], step=one, entered_at=now, due_at=now)
    StepTally.objects.create(step=one, entered=1, waiting=1)
    canvas.state = "stopped"
    canvas.save()

    answer = bob_editor.post("step_remove", one.pk)

    assert answer.status_code == 422
    assert "1 person waits here" in answer.content.decode()
    assert flow(canvas) == [one.pk]


@pytest.mark.parametrize("state", ["live", "archived"])
def test_the_flow_of_a_live_or_archived_canvas_is_not_changed(bob_editor, canvas, state):
    one = bob_editor.add_step("delay")
    two = bob_editor.add_step("delay", one)
    canvas.state = state
    canvas.save()

    answers = [
        bob_editor.post("step_add", kind="delay", after="first"),
        bob_editor.post("step_move", two.pk, to="up"),
        bob_editor.post("step_remove", two.pk),
    ]

    assert [answer.status_code for answer in answers] == [409, 409, 409]
    assert flow(canvas) == [one.pk, two.pk]


def test_an_edit_stores_user_and_time(bob_editor, canvas, alice, editor_of):
    before = canvas.edited_at

    editor_of(alice).add_step("delay")

    canvas.refresh_from_db()
    assert canvas.edited_by == alice
    assert canvas.edited_at > before


@pytest.mark.parametrize("after", ["99999999999999999999999", "x", "-1", "\0", ""])
def test_an_unknown_position_is_404(bob_editor, canvas, after):
    answer = bob_editor.post("step_add", kind="delay", after=after)

    assert answer.status_code == 404
    assert flow(canvas) == []


@pytest.mark.parametrize("kind", ["", "split", "\0", "🙂"])
def test_an_unknown_kind_of_step_is_rejected(bob_editor, canvas, kind):
    assert bob_editor.post("step_add", kind=kind, after="first").status_code == 422
    assert flow(canvas) == []
