"""A connected town of 1,000 people at a running sandbox; time is scaled by settings only."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Segment
from canvases import engine
from canvases.models import Canvas, Step
from tests.support.queue_world import FAST
from tests.system.crash.conftest import databases, stage
from tests.system.faults.lawful import N, Town

__all__ = ["databases", "stage"]


@pytest.fixture
def pace(settings):
    """pace(deadline=13) -> these settings of the engine from now on."""

    def change(**seconds):
        settings.SYNC = settings.SYNC | seconds

    return change


@pytest.fixture
def town(server, acme, settings, pace):
    settings.TIKTOK_API_URL = server.url
    pace(**FAST, requests_per_second=5000.0)
    return Town(server, acme)


@pytest.fixture
def live(town, alice):
    """The step of a launched canvas that 1,000 people are about to enter."""
    segment = Segment.objects.create(app_group=town.app_group, name="everybody", filter={})
    canvas = Canvas.objects.create(app_group=town.app_group, name="Winback", segment=segment)
    asked = town.sync()
    step = Step.objects.create(canvas=canvas, kind="audience_sync", settings={}, sync=asked)
    step.syncs.add(asked)
    town.people(N)
    engine.launch(canvas, by=alice, now=timezone.now())
    return step
