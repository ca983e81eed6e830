"""Viewers see no personal data in the conditions of a canvas, and the activity log has none."""

import pytest

from audiencesync.groups.models import Activity
from canvases.models import Canvas, Step

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]

MAX = "max@example.org"
WHERE = [
    {"property": "to", "op": "is", "value": MAX},
    {"property": "plan", "op": "is", "value": "platinum"},
]
EVENT = {"kind": "event", "name": "cart", "where": WHERE}


def pages(editor, **query):
    return [editor.get(**query).content.decode(), editor.get(htmx=True, **query).content.decode()]


def shown(editor, **query):
    """Return whether a page shows the address, and whether it shows the other value."""
    texts = pages(editor, **query)
    return [any(text in page for page in texts) for text in (MAX, "platinum")]


def test_the_events_of_an_entry_and_of_exits(bob_editor, editor_of, vera, canvas):
    Canvas.objects.filter(pk=canvas.pk).update(
        entry_by="event", entry=EVENT, exits={"events": [EVENT]}
    )

    assert shown(editor_of(vera), entry=1) == [False, True]
    assert shown(bob_editor, entry=1) == [True, True]


def test_the_events_of_a_wait(bob_editor, editor_of, vera):
    row = {"number": 1, "label": "", **EVENT}
    step = bob_editor.add_step("wait_until")
    Step.objects.update(settings={"amount": 1, "unit": "days", "events": [row]})

    assert shown(editor_of(vera), step=step.pk) == [False, True]
    assert shown(bob_editor, step=step.pk) == [True, True]


@pytest.mark.parametrize(
    "asked",
    [
        {"field": "custom.to", "op": "is", "value": MAX},
        {"field": "email", "op": "contains", "value": MAX.partition(".")[0]},
        {"event": "cart", "op": "at_least", "n": 1, "where": WHERE[:1]},
    ],
)
def test_the_condition_of_a_split(bob_editor, editor_of, vera, asked):
    step = bob_editor.add_step("decision_split")
    Step.objects.update(settings={"filter": asked})

    assert all("max@" not in page for page in pages(editor_of(vera), step=step.pk))
    assert all("max@" in page for page in pages(bob_editor, step=step.pk))


def test_a_part_of_an_address_is_hidden(bob_editor, editor_of, vera):
    step = bob_editor.add_step("decision_split")
    Step.objects.update(
        settings={"filter": {"field": "email", "op": "contains", "value": "mustermann"}}
    )

    assert all("mustermann" not in page for page in pages(editor_of(vera), step=step.pk))


def test_the_activity_log_names_no_address(save):
    form = {"entry_by": "event", "event_name": "cart", "event_property": "to", "event_op": "is"}
    for changes in (
        {"event_value": "max@example.org"},
        {"event_value": "mia@example.org"},
        {"event_value": "lea@example.org", "cap_total": "7"},
        {"event_value": "lea@example.org", "cap_total": "8"},
    ):
        save(**form, **changes)

    fourth, third, second, first = [str(line.changes) for line in Activity.objects.all()]
    assert "event: cart to is ***" in first
    hidden = "the same fields, other values"
    assert [hidden in line for line in (first, second, third, fourth)] == [False, True, True, False]
    assert "@" not in first + second + third + fourth
