"""The Delay step: form values and due time."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from canvases.models import Canvas, Step
from canvases.steps import KINDS

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def step(bob_editor):
    return bob_editor.add_step("delay")


@pytest.mark.parametrize(
    ("amount", "unit", "seconds", "words"),
    [
        (1, "seconds", 1, "Wait 1 second"),
        (10, "minutes", 600, "Wait 10 minutes"),
        (36, "hours", 129_600, "Wait 36 hours"),
        (730, "days", 63_072_000, "Wait 730 days"),
    ],
)
def test_the_due_time_follows_the_form(bob_editor, step, amount, unit, seconds, words):
    bob_editor.post("step", step.pk, version=1, amount=amount, unit=unit)

    step.refresh_from_db()
    now = timezone.now()
    assert KINDS["delay"].due_on_arrival(step, now=now) == now + timedelta(seconds=seconds)
    assert words in bob_editor.get().content.decode()


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
def test_an_invalid_delay_is_rejected(bob_editor, step, amount, unit):
    answer = bob_editor.post("step", step.pk, version=1, amount=amount, unit=unit)

    assert answer.status_code == 422
    step.refresh_from_db()
    assert step.settings == {"amount": 1, "unit": "days"}


def test_the_delay_of_a_live_canvas_may_change(bob_editor, step, canvas):
    Canvas.objects.filter(pk=canvas.pk).update(state="live")

    assert bob_editor.post("step", step.pk, version=1, amount=2, unit="hours").status_code == 302
    step.refresh_from_db()
    assert step.settings["amount"] == 2


def test_the_delay_of_an_archived_canvas_may_not_change(bob_editor, step, canvas):
    Canvas.objects.filter(pk=canvas.pk).update(state="archived")

    assert bob_editor.post("step", step.pk, version=1, amount=2, unit="hours").status_code == 409
    step.refresh_from_db()
    assert step.settings["amount"] == 1


BERLIN = ZoneInfo("Europe/Berlin")
SUNDAY = {"mode": "weekday", "weekday": "6", "at": "02:30"}


@pytest.mark.parametrize(
    ("sent", "now", "due"),
    [
        ({"mode": "date", "date": "2027-03-01", "at": "14:00"}, (2027, 2, 1, 9), (2027, 3, 1, 14)),
        ({"mode": "date", "date": "2027-03-01", "at": "14:00"}, (2027, 4, 1, 9), (2027, 4, 1, 9)),
        ({"mode": "weekday", "weekday": "0", "at": "09:00"}, (2027, 2, 1, 8), (2027, 2, 1, 9)),
        ({"mode": "weekday", "weekday": "0", "at": "09:00"}, (2027, 2, 1, 9), (2027, 2, 8, 9)),
        # 02:30 does not exist on 28 March 2027 in Berlin, and is twice on 31 October.
        (SUNDAY, (2027, 3, 28, 1), (2027, 3, 28, 3)),
        (
            SUNDAY,
            (2027, 10, 31, 1),
            (2027, 10, 31, 2, 30),
        ),
    ],
)
def test_people_wait_until_a_local_time(bob_editor, step, acme, sent, now, due):
    acme.time_zone = "Europe/Berlin"
    acme.save()
    assert bob_editor.post("step", step.pk, version=1, **sent).status_code == 302

    step = Step.objects.get(pk=step.pk)
    now, due = datetime(*now, tzinfo=BERLIN), datetime(*due, tzinfo=BERLIN)
    assert KINDS["delay"].due_on_arrival(step, now=now) == due.astimezone(UTC)
    page = bob_editor.get(step=step.pk).content.decode()
    assert f"{sent['at']} (Europe/Berlin)" in page


@pytest.mark.parametrize(
    "sent",
    [
        {"mode": "date", "at": "14:00"},
        {"mode": "date", "date": "2027-03-01", "at": ""},
        {"mode": "date", "date": "0001-01-01", "at": "14:00"},
        {"mode": "weekday", "weekday": "7", "at": "14:00"},
        {"mode": "weekday", "at": "10:00"},
        {"mode": "weekday", "weekday": "1", "at": "25:00"},
        {"mode": "x", "amount": "1", "unit": "days"},
    ],
)
def test_an_end_that_does_not_exist_is_refused(bob_editor, step, sent):
    assert bob_editor.post("step", step.pk, version=1, **sent).status_code == 422


def test_each_way_of_waiting_has_its_own_hint(bob_editor, step):
    page = bob_editor.get(step=step.pk).content.decode()
    hints = re.findall(r'<p class="form-hint" data-delay="(\w+)">(.*?)</p>', page, re.DOTALL)
    hint_of = {way: " ".join(text.split()) for way, text in hints}
    assert hint_of == {
        "date": "People who come after this time go on at once.",
        "weekday": ("People who come on this day, but after this time, wait until the week after."),
    }


def test_a_date_that_is_over_is_a_warning(bob_editor, step):
    bob_editor.post("step", step.pk, version=1, mode="date", date="2026-01-01", at="09:00")
    assert "This date is over" in bob_editor.get(launch=1).content.decode()
