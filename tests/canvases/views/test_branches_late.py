"""A branch with components is not removed, even if they were added after the form was checked."""

from contextlib import contextmanager

import pytest
from django.db import connection

from canvases.editing import edit
from canvases.models import Step

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]

PATHS = {
    f"{field}-0.{n}": value
    for n, name in enumerate(["German", "French"])
    for field, value in {
        "path": name,
        "number": n + 1,
        "kind": "field",
        "field": "country",
        "op": "is",
        "value": "DE",
    }.items()
}
ONE_PATH = {name: value for name, value in PATHS.items() if "0.0" in name}
EVENTS = {
    "amount": 3,
    "unit": "days",
    "row-TOTAL_FORMS": 2,
    "row-INITIAL_FORMS": 0,
    "row-0-label": "Bought",
    "row-0-number": 1,
    "row-0-kind": "purchase",
    "row-1-label": "Ordered",
    "row-1-number": 2,
    "row-1-kind": "event",
    "row-1-name": "order",
}
ONE_EVENT = {name: value for name, value in EVENTS.items() if "row-1" not in name} | {
    "row-TOTAL_FORMS": 1
}


@contextmanager
def after_the_check(change):
    """Run ``change`` once, after the form has read the components of the branches."""
    seen = []

    def watch(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if not seen and Step._meta.db_table in sql and '"branch" IN' in sql:
            seen.append(sql)
            change()
        return result

    with connection.execute_wrapper(watch):
        yield
    assert seen


@pytest.mark.parametrize(
    ("kind", "two", "one", "lost"),
    [("audience_paths", PATHS, ONE_PATH, "French"), ("wait_until", EVENTS, ONE_EVENT, "Ordered")],
)
def test_a_component_that_came_meanwhile_keeps_its_branch(
    bob_editor, canvas, bob, kind, two, one, lost
):
    split = bob_editor.add_step(kind)
    assert bob_editor.post("step", split.pk, version=1, **two).status_code == 302
    stored = Step.objects.get(pk=split.pk).settings

    with after_the_check(
        lambda: edit.add(canvas, "delay", after=split, branch=2, by=bob, now=canvas.edited_at)
    ):
        answer = bob_editor.post("step", split.pk, version=2, **one | {"path-0.0": "Typed"})

    assert answer.status_code == 422
    page = answer.content.decode()
    assert f"Components are still in the path “{lost}”. Move or remove them first." in page
    assert kind == "wait_until" or 'value="Typed"' in page
    kept = Step.objects.get(pk=split.pk)
    assert (kept.settings, kept.version) == (stored, 2)

    bob_editor.post("step_remove", split.children.get().pk)
    assert bob_editor.post("step", split.pk, version=2, **one).status_code == 302


def test_the_checklist_warns_of_components_that_no_person_comes_to(bob_editor):
    split = bob_editor.add_step("decision_split")
    after = bob_editor.add_step("delay", split)
    bob_editor.add_step("exit", split, 1)
    warned = "No one comes here: all branches before it end with an exit."
    assert warned not in bob_editor.get(launch=1).content.decode()

    bob_editor.add_step("exit", split, 2)

    page = bob_editor.get(launch=1).content.decode()
    assert warned in page
    assert f"?step={after.pk}" in page.split(warned)[1][:200]
