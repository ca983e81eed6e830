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
    """Return whether a page has the address, in words or in a field, and the other value."""
    found = pages(editor, **query)
    return [any(text in page for page in found) for text in (MAX, "platinum")]


def test_the_events_of_an_entry_and_of_exits(bobs, editor, vera, canvas):
    Canvas.objects.filter(pk=canvas.pk).update(
        entry_by="event", entry=EVENT, exits={"events": [EVENT]}
    )

    assert shown(editor(vera), entry=1) == [False, True]
    assert shown(bobs, entry=1) == [True, True]


def test_the_events_of_a_wait(bobs, editor, vera):
    row = {"number": 1, "label": "", **EVENT}
    step = bobs.add("wait_until")
    Step.objects.update(settings={"amount": 1, "unit": "days", "events": [row]})

    assert shown(editor(vera), step=step.pk) == [False, True]
    assert shown(bobs, step=step.pk) == [True, True]


@pytest.mark.parametrize(
    "asked",
    [
        {"field": "custom.to", "op": "is", "value": MAX},
        {"field": "email", "op": "contains", "value": MAX.partition(".")[0]},
        {"event": "cart", "op": "at_least", "n": 1, "where": WHERE[:1]},
    ],
)
def test_the_condition_of_a_split(bobs, editor, vera, asked):
    step = bobs.add("decision_split")
    Step.objects.update(settings={"filter": asked})

    assert all("max@" not in page for page in pages(editor(vera), step=step.pk))
    assert all("max@" in page for page in pages(bobs, step=step.pk))


def test_a_part_of_an_address_is_hidden(bobs, editor, vera):
    step = bobs.add("decision_split")
    Step.objects.update(
        settings={"filter": {"field": "email", "op": "contains", "value": "mustermann"}}
    )

    assert all("mustermann" not in page for page in pages(editor(vera), step=step.pk))


def test_the_activity_log_names_no_address(save):
    asked = {"entry_by": "event", "event_name": "cart", "event_property": "to", "event_op": "is"}
    for name in ("max", "mia"):
        save(**asked, event_value=f"{name}@example.org")

    second, first = [str(line.changes) for line in Activity.objects.all()]
    assert "event: cart to is ***" in first
    assert "the same fields, other values" in second
    assert "@" not in first + second
