"""A searched list keeps its total number; errored people on it can be tried again."""

import pytest
from django.utils import timezone

from audiencesync.groups.models import Activity
from canvases import analytics, reasons
from canvases.models import Canvas
from partners import laws
from partners.models import Delivery

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.mark.parametrize(
    ("text", "n"),
    [("p5@example.org", 4), ("P5@Example.org", 4), ("p5", 4), ("nobody@x.org", 0)],
)
def test_a_search_keeps_the_number(bob_editor, step, text, n):
    answer = bob_editor.post_search("step_people", step.pk, number="entered", q=text)
    errored = bob_editor.post_search("step_people", step.pk, number="errored", q="p2")

    assert len([line for line, _person in answer.context["people"] if line.delivery]) == n // 2
    assert {person.email for _line, person in errored.context["people"]} == {"p2@example.org"}
    assert {line.outcome for line, _person in errored.context["people"]} == {"errored"}


def test_a_viewer_does_not_find_people_by_parts(editor_of, vera, step):
    def found(text):
        answer = editor_of(vera).post_search("step_people", step.pk, number="errored", q=text)
        return answer.context["people"]

    assert not found("2@example")
    assert found("p2@example.org")


def retried(client_editor, step, **data):
    answer = client_editor.post("step_people_retry", step.pk, number="errored", **data)
    assert answer.status_code == 302
    return analytics.step_numbers([step])[step.pk]


def test_all_people_of_a_reason_are_tried_again(bob_editor, step):
    before = analytics.step_numbers([step])[step.pk]
    n = next(why.n for why in reasons.reasons(step) if why.reason == "40007")
    now = retried(bob_editor, step, reason="40007")

    assert n == 2
    assert (now.errored, now.pending) == (before.errored - n, before.pending + n)
    assert list(laws.broken(now=timezone.now())) == []
    [line] = Activity.objects.all()
    assert line.verb == "retried"
    assert [(change.what, change.before, change.after) for change in line.shown_changes] == [
        ("People retried", "–", "2")
    ]


def test_only_ticked_people_are_tried_again(bob_editor, step):
    before = analytics.step_numbers([step])[step.pk]
    lines = bob_editor.get("step_people", step.pk, number="errored").context["people"]
    ticked = [line.delivery.pk for line, _person in lines[:1]]
    pending = Delivery.objects.filter(batch__state="pending", outcome=None).first()
    now = retried(bob_editor, step, some=1, delivery=[*ticked, pending.pk])

    assert (now.errored, now.pending) == (before.errored - 1, before.pending + 1)
    assert retried(bob_editor, step, some=1) == now
    assert list(laws.broken(now=timezone.now())) == []


@pytest.mark.parametrize("number", ["synced", "not_synced", "pending", "entered"])
def test_only_errored_people_are_tried_again(bob_editor, step, number):
    assert bob_editor.post("step_people_retry", step.pk, number=number).status_code == 404


def test_an_archived_canvas_offers_no_retry_and_refuses_it(bob_editor, step):
    step.canvas.state = Canvas.State.ARCHIVED
    step.canvas.save()
    before = analytics.step_numbers([step])[step.pk]
    assert retried(bob_editor, step) == before
    assert bob_editor.post("step_retry", step.pk).status_code == 302
    assert analytics.step_numbers([step])[step.pk] == before
    for answer in (
        bob_editor.get("step_people", step.pk, number="errored"),
        bob_editor.client.get(f"{step.canvas.get_absolute_url()}?step={step.pk}&tab=numbers"),
        bob_editor.client.get(f"{step.canvas.get_absolute_url()}steps/{step.pk}/numbers/"),
    ):
        text = answer.content.decode()
        assert "This canvas is archived: no one is retried." in text
        assert "Retry th" not in text
        assert "people/retry/" not in text
