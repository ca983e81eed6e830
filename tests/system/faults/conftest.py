"""A connected group at a running sandbox, which checks all laws, and short sync times."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Segment
from canvases import engine
from canvases.models import Canvas, Step
from tests.support.queue_world import FAST
from tests.system.crash.conftest import databases, stage
from tests.system.faults.checked_world import N_PEOPLE, CheckedWorld

__all__ = ["databases", "stage"]


@pytest.fixture
def set_sync_times(settings):
    """set_sync_times(deadline=13) changes these sync times from now on."""

    def change(**seconds):
        settings.SYNC = settings.SYNC | seconds

    return change


@pytest.fixture
def world(server, acme, settings, set_sync_times):
    settings.TIKTOK_API_URL = server.url
    set_sync_times(**FAST, requests_per_second=5000.0)
    return CheckedWorld(server, acme)


@pytest.fixture
def live_step(world, alice):
    """Return the step of a launched canvas; N_PEOPLE enter at the next beat of the engine."""
    segment = Segment.objects.create(app_group=world.app_group, name="everybody", filter={})
    canvas = Canvas.objects.create(app_group=world.app_group, name="Winback", segment=segment)
    to_sync = world.create_sync()
    step = Step.objects.create(canvas=canvas, kind="audience_sync", settings={}, sync=to_sync)
    step.syncs.add(to_sync)
    world.create_people(N_PEOPLE)
    engine.launch(canvas, by=alice, now=timezone.now())
    return step
