"""A live audience whose brake holds removals early."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile, Segment
from audiencesync.people.segments import live
from canvases.models import Canvas
from partners.models import Delivery
from tests.support import journeys as support

GERMAN = {"all": [{"field": "country", "op": "is", "value": "DE"}]}


@pytest.fixture
def audience_of_ten(journeys, settings):
    """A live audience of ten people; three of them may leave at once."""
    settings.REMOVAL_BRAKE_PEOPLE, settings.REMOVAL_BRAKE_PERCENT = 2, 30
    journeys.segment = Segment.objects.create(
        app_group=journeys.app_group, name="Germans", filter=GERMAN
    )
    journeys.people(10)
    Profile.objects.update(country="DE")
    canvas, [step] = journeys.canvas(("audience_sync", {"removes": True}))
    journeys.asks(step)
    Canvas.objects.filter(pk=canvas.pk).update(entry_by="segment", reentry="left")
    canvas.refresh_from_db()
    journeys.launch(canvas)
    support.follow(journeys)
    journeys.live = canvas
    return journeys


def move(journeys, numbers, country):
    leave(journeys, numbers, country)
    support.follow(journeys)


def leave(journeys, numbers, country="FR"):
    """Write the signals of people who move, which are not worked off yet."""
    support.change(journeys, *(f"p{n}" for n in numbers), country=country)
    while live.work(now=timezone.now(), seconds=9):
        pass


def removals():
    return Delivery.objects.filter(sync__action="remove").count()


def is_braked(journeys):
    journeys.live.refresh_from_db()
    return journeys.live.braked_at is not None
