"""Steps that add to an audience and steps that remove from it name each other."""

import pytest
from django.utils import timezone

from canvases import checklist
from canvases.editing import conflicts
from canvases.models import Canvas, Step
from tests.support import builder

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def step_of(winback):
    """step_of(canvas, action): a step of a canvas at winback; it may follow another one."""

    def create_step(canvas, action, *, parent=None):
        to_sync = builder.make_sync(winback, action)
        step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=to_sync, parent=parent)
        step.syncs.add(to_sync)
        return step

    return create_step


@pytest.fixture
def suppression(canvas, bob):
    """Another canvas of the group."""
    return Canvas.objects.create(
        app_group=canvas.app_group, name="Customers", created_by=bob, edited_by=bob
    )


def texts(step):
    return [one.text for one in conflicts.of_steps([step]).get(step.pk, [])]


def test_both_canvases_name_the_other_before_launch(step_of, canvas, suppression):
    add, remove = step_of(canvas, "add"), step_of(suppression, "remove")
    (first,), (second,) = conflicts.of_steps([add, remove]).values()
    assert first.text.startswith("The canvas “Customers” removes people from “winback”.")
    assert second.text.startswith("The canvas “Cart” adds people to “winback”.")
    assert first.url == f"{suppression.get_absolute_url()}?step={remove.pk}#panel"


def test_two_steps_of_one_canvas_are_a_conflict(step_of, canvas):
    add = step_of(canvas, "add")
    remove = step_of(canvas, "remove", parent=add)
    assert "Another component of this canvas removes people" in texts(add)[0]
    assert "Another component of this canvas adds people" in texts(remove)[0]


def test_archived_canvases_removed_steps_and_the_same_action_are_none(step_of, canvas, suppression):
    add = step_of(canvas, "add")
    other = step_of(suppression, "remove")
    step_of(Canvas.objects.create(app_group=canvas.app_group, name="Seed"), "add")
    assert len(texts(add)) == 1
    Step.objects.filter(pk=other.pk).update(removed_at=timezone.now())
    assert texts(add) == []
    Step.objects.filter(pk=other.pk).update(removed_at=None)
    Canvas.objects.filter(pk=suppression.pk).update(state="archived")
    assert texts(add) == []


def test_the_page_and_the_checklist_warn_without_blocking(bob_editor, step_of, canvas, suppression):
    add = step_of(canvas, "add")
    step_of(suppression, "remove")
    page = bob_editor.get(step=add.pk).content.decode()
    assert "“Customers” removes people from it" in page  # on the card
    assert "The canvas “Customers” removes people from “winback”" in page  # in the panel
    items = [item for item in checklist.items(canvas, now=timezone.now()) if "Custom" in item.text]
    assert [(item.blocks, "?step=" in item.url) for item in items] == [(False, True)]


def test_many_steps_take_one_query(step_of, canvas, suppression, django_assert_num_queries):
    step_of(suppression, "remove")
    steps = [step_of(canvas, "add")]
    for _n in range(9):
        steps.append(step_of(canvas, "add", parent=steps[-1]))
    with django_assert_num_queries(1):
        assert len(conflicts.of_steps(steps)) == 10
