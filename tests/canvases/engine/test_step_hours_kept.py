"""Old hourly numbers of steps and canvases are deleted; charts say since when numbers are kept."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.groups import retention as groups_retention
from audiencesync.groups.models import PurgeCursor
from canvases import laws
from canvases.engine import retention
from canvases.models import Canvas, CanvasHour, Step, StepHour, StepTally, Visit
from canvases.numbers import canvas as canvas_numbers
from canvases.numbers import step as numbers

pytestmark = pytest.mark.django_db
GONE = "Numbers by the hour are kept for 730 days: older people count only in the totals."


@pytest.fixture
def step(acme):
    canvas = Canvas.objects.create(app_group=acme, name="Welcome", entered=10)
    step = Step.objects.create(canvas=canvas, kind="delay")
    for days in (800, 1):
        at = timezone.now() - timedelta(days=days)
        StepHour.objects.create(step=step, hour=at, entered=5, proceeded=5)
        CanvasHour.objects.create(canvas=canvas, hour=at, entered=5)
    StepTally.objects.create(step=step, entered=10, exited=10)
    Canvas.objects.update(first_entry_at=timezone.now() - timedelta(days=800))
    left = {"entered_at": timezone.now(), "left_at": timezone.now()}
    Visit.objects.bulk_create(Visit(canvas=canvas, slot=n, **left) for n in range(10))
    return step


def days_ago(at):
    return round((timezone.now() - at) / timedelta(days=1))


def days_since(step):
    """Return the age in days of the oldest hourly numbers of a step, and of its canvas."""
    of_step, of_canvas = (
        numbers.first_hour(step, sends=False),
        canvas_numbers.first_hour(step.canvas),
    )
    return days_ago(of_step), days_ago(of_canvas)


def test_old_hours_go_and_the_card_stays(step):
    retention.beat()
    assert days_since(step) == (1, 1)
    assert (StepTally.objects.get().entered, Canvas.objects.get().entered) == (10, 10)


def test_the_laws_hold_with_the_hours_that_are_left(step):
    assert "L4 canvas" not in "".join(laws.broken(now=timezone.now()))
    retention.beat()
    assert "L4 canvas" not in "".join(laws.broken(now=timezone.now()))
    CanvasHour.objects.all().delete()
    assert "10 entered, by the hours 5" in "".join(laws.broken(now=timezone.now()))


def test_the_sums_of_many_chunks_are_kept(step, monkeypatch):
    monkeypatch.setattr(groups_retention, "CHUNK", 1)
    other = Canvas.objects.create(app_group=step.canvas.app_group, name="Other")
    for days in (801, 802):
        at = timezone.now() - timedelta(days=days)
        CanvasHour.objects.create(canvas=other, hour=at, entered=days)
    for _chunk in range(5):  # each call deletes at least one chunk, even on a slow machine
        retention.beat()
    assert dict(Canvas.objects.values_list("name", "hours_base")) == {"Welcome": 5, "Other": 1603}
    assert CanvasHour.objects.count() == 1


def test_zero_keeps_them(step, settings):
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"step_hours": 0}
    retention.beat()
    assert days_since(step) == (800, 800)
    assert not PurgeCursor.objects.exists()


def test_a_shorter_time_is_kept_to(step, settings):
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"step_hours": 0.5}
    retention.beat()
    assert not StepHour.objects.exists()
    assert not CanvasHour.objects.exists()


@pytest.mark.parametrize(("keep", "is_said"), [(730.0, True), (900.0, False), (0.0, False)])
def test_the_charts_say_what_is_no_longer_kept(step, signed_in, vera, settings, keep, is_said):
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"step_hours": keep}
    client, page = signed_in(vera), step.canvas.get_absolute_url()
    for url in (f"{page}numbers/", f"{page}steps/{step.pk}/numbers/"):
        assert (GONE in client.get(url, {"range": "all"}).content.decode()) is is_said
