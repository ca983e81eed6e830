"""The Delay step: form values and due time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from canvases.models import Canvas
from canvases.steps import KINDS

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def step(bobs):
    return bobs.add("delay")


@pytest.mark.parametrize(
    ("amount", "unit", "seconds", "words"),
    [
        (1, "seconds", 1, "Wait 1 second"),
        (10, "minutes", 600, "Wait 10 minutes"),
        (36, "hours", 129_600, "Wait 36 hours"),
        (730, "days", 63_072_000, "Wait 730 days"),
    ],
)
def test_the_due_time_follows_the_form(bobs, step, amount, unit, seconds, words):
    bobs.post("step", step.pk, version=1, amount=amount, unit=unit)

    step.refresh_from_db()
    now = timezone.now()
    assert KINDS["delay"].due_on_arrival(step, now=now) == now + timedelta(seconds=seconds)
    assert words in bobs.get().content.decode()


@pytest.mark.parametrize(
    ("amount", "unit"),
    [
        (0, "seconds"),
        (-1, "days"),
        (731, "days"),
        ("", "days"),
        ("x", "days"),
        (1, "years"),
        (10**30, "days"),
        ("1\0", "days"),
    ],
)
def test_an_invalid_delay_is_rejected(bobs, step, amount, unit):
    answer = bobs.post("step", step.pk, version=1, amount=amount, unit=unit)

    assert answer.status_code == 422
    step.refresh_from_db()
    assert step.settings == {"amount": 1, "unit": "days"}


def test_the_delay_of_a_live_canvas_may_change(bobs, step, canvas):
    Canvas.objects.filter(pk=canvas.pk).update(state="live")

    assert bobs.post("step", step.pk, version=1, amount=2, unit="hours").status_code == 302
    step.refresh_from_db()
    assert step.settings["amount"] == 2


def test_the_delay_of_an_archived_canvas_may_not_change(bobs, step, canvas):
    Canvas.objects.filter(pk=canvas.pk).update(state="archived")

    assert bobs.post("step", step.pk, version=1, amount=2, unit="hours").status_code == 409
    step.refresh_from_db()
    assert step.settings["amount"] == 1
