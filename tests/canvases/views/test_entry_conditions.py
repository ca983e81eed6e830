"""Events of the entry and of exits have conditions on their properties, and suggested names."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Event
from canvases.entry_card import words

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


def exits(*rows):
    """Return the fields of the rows of exit events."""
    fields = {"exit-TOTAL_FORMS": len(rows), "exit-INITIAL_FORMS": 0}
    for n, (kind, name) in enumerate(rows):
        fields |= {f"exit-{n}-kind": kind, f"exit-{n}-name": name}
    return fields


@pytest.mark.parametrize(
    ("op", "value", "where"),
    [
        ("greater", "49,5", {"op": "greater", "value": 49.5}),
        ("is", "red", {"op": "is", "value": "red"}),
        ("is", "inf", {"op": "is", "value": "inf"}),
        ("is", "5", {"op": "in", "value": ["5", 5]}),
        ("is", "12345678901234567890", {"op": "is", "value": "12345678901234567890"}),
        ("is_not", "9007199254740993", {"op": "is_not", "value": "9007199254740993"}),
        ("is", "10_00", {"op": "is", "value": "10_00"}),
        ("exists", "", {"op": "exists"}),
    ],
)
def test_a_property_of_an_event_is_a_condition(save, canvas, bob_editor, op, value, where):
    event = {"entry_by": "event", "event_name": "cart"}

    save(**event, event_property="total", event_op=op, event_value=value)

    assert canvas.entry["where"] == [{"property": "total"} | where]
    assert bob_editor.get(entry=1).context["form"]["event_op"].value() == op


def test_an_event_has_several_conditions(save, canvas, bob_editor, segment):
    first = {"event_property": "total", "event_op": "greater", "event_value": "49"}
    second = {"event_property3": "plan", "event_op3": "is", "event_value3": "pro"}
    rows = exits(("event", "up")) | {"exit-0-property": "a", "exit-0-op": "exists"}
    rows |= {"exit-0-property2": "b", "exit-0-op2": "is", "exit-0-value2": "x"}

    save(entry_by="event", event_name="cart", segment=segment.pk, **first, **second, **rows)

    assert [one["property"] for one in canvas.entry["where"]] == ["total", "plan"]
    assert [one["property"] for one in canvas.exits["events"][0]["where"]] == ["a", "b"]
    answer = bob_editor.get(entry=1)
    form = answer.context["form"]
    assert [form["event_property2"].value(), form["event_value2"].value()] == ["plan", "pro"]
    assert form.exits.forms[0]["property2"].value() == "b"
    assert 'name="event_property3"' in answer.content.decode()
    assert 'name="event_property4"' not in answer.content.decode()
    assert "total is greater than 49 and plan is pro" in str(
        words.entry(canvas, now=timezone.now())
    )


def test_a_value_without_a_property_is_refused(save):
    answer = save(entry_by="event", event_name="cart", event_value2="5")

    assert answer.status_code == 422
    assert "Give the name of the property." in answer.content.decode()


def test_known_events_are_suggested(bob_editor, acme, people):
    Event.objects.create(app_group=acme, profile=people[0], name='"><b>cart', at=timezone.now())

    page = bob_editor.get(entry=1).content.decode()

    assert '<option value="&quot;&gt;&lt;b&gt;cart">' in page
    assert page.count('list="known-events"') == 1


def test_a_condition_on_a_property_without_a_value_is_refused(save, canvas):
    answer = save(entry_by="event", event_name="cart", event_property="total", event_op="greater")

    assert answer.status_code == 422


def test_an_exit_event_has_a_condition_on_a_property(save, canvas, segment):
    row = {"exit-0-property": "plan", "exit-0-op": "is", "exit-0-value": "pro"}

    save(segment=segment.pk, **exits(("event", "upgrade")), **row)

    (event,) = canvas.exits["events"]
    assert event["where"] == [{"property": "plan", "op": "is", "value": "pro"}]
