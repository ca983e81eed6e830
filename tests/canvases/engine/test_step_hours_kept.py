"""Old numbers by hour of steps are deleted; charts then say from when on they count."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.groups.models import PurgeCursor
from canvases.engine import retention
from canvases.models import Canvas, Step, StepHour, StepTally
from canvases.numbers import step as numbers

pytestmark = pytest.mark.django_db


@pytest.fixture
def step(acme):
    canvas = Canvas.objects.create(app_group=acme, name="Welcome")
    made = Step.objects.create(canvas=canvas, kind="delay")
    for days in (800, 1):
        at = timezone.now() - timedelta(days=days)
        StepHour.objects.create(step=made, hour=at, entered=5)
    StepTally.objects.create(step=made, entered=10, proceeded=10)
    return made


def days_since(step):
    return round((timezone.now() - numbers.since(step, sends=False)) / timedelta(days=1))


def test_old_hours_go_and_the_card_stays(step):
    retention.beat()
    assert days_since(step) == 1
    assert StepTally.objects.get().entered == 10


def test_zero_keeps_them(step, settings):
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"step_hours": 0}
    retention.beat()
    assert days_since(step) == 800
    assert not PurgeCursor.objects.exists()


def test_a_shorter_time_is_kept_to(step, settings):
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"step_hours": 0.5}
    retention.beat()
    assert not StepHour.objects.exists()
