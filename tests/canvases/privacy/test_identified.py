"""A visitor turns out to be ann: what was asked for either of them is asked for one person, and the last wish wins."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.models import Profile, Segment
from audiencesync.people.writing.upsert import upsert
from canvases import engine, laws
from canvases.models import Canvas, Step, Visit
from canvases.privacy import identify as identities
from partners.models import Batch

EMAIL = "v@example.org"


def _known(group, **name):
    (pk,) = upsert(group, [Change(**name)], now=timezone.now()).profile_ids
    return Profile.objects.get(pk=pk)


@pytest.fixture
def visitor(acme):
    return _known(acme, email=EMAIL)


@pytest.fixture
def ann(acme):
    return _known(acme, external_id="ann")


def identify(group):
    wish = {"email": EMAIL, "external_id": "ann"}
    arrays = {
        "aliases_to_identify": [],
        "emails_to_identify": [wish],
        "phone_numbers_to_identify": [],
    }
    assert identities.identify(group, arrays, now=timezone.now()).processed == 1


def test_what_waits_for_the_visitor_is_sent_for_ann(world, acme, visitor, ann):
    add = world.sync()
    world.enter(add, [visitor])
    identify(acme)
    world.drain()
    assert world.counts(add) == {"entered": 1, "synced": 1}
    assert world.members(add.audience) == 1


def test_an_older_removal_of_the_visitor_does_not_come_after_an_add_of_ann(
    world, acme, visitor, ann, settings
):
    settings.SYNC = settings.SYNC | {"backoff_base": 60.0, "backoff_max": 1800.0}
    audience = world.audience()
    add, remove, again = world.sync(audience), world.sync(audience, "remove"), world.sync(audience)
    world.enter(add, [visitor])
    world.drain()
    world.enter(remove, [visitor])
    world.fault("code", code=50000, count=1)
    world.flush()
    identify(acme)
    world.enter(again, [ann])
    world.flush()
    Batch.objects.filter(state="pending").update(due_at=timezone.now())
    world.drain()
    assert world.members(audience) == 1
    assert world.counts(remove) == {"entered": 1, "cancelled": 1}
    assert laws.broken(now=timezone.now()) == []


@pytest.fixture
def canvas(acme, visitor, bob):
    """The visitor waits at its only step."""
    everybody = Segment.objects.create(app_group=acme, name="Everybody")
    row = Canvas.objects.create(app_group=acme, name="Cart", segment=everybody, created_by=bob)
    Step.objects.create(canvas=row, kind="delay", settings={"amount": 1, "unit": "days"})
    engine.launch(row, by=bob, now=timezone.now())
    assert engine.admit_some(row.pk, [visitor.pk], now=timezone.now()) == 1
    return row


def test_ann_goes_on_where_the_visitor_was(world, acme, canvas, ann):
    identify(acme)
    assert Visit.objects.get(canvas=canvas).profile == ann


def test_nobody_walks_through_a_canvas_twice(world, acme, canvas, visitor, ann):
    assert engine.admit_some(canvas.pk, [ann.pk], now=timezone.now()) == 1
    identify(acme)
    assert set(Visit.objects.values_list("profile", flat=True)) == {visitor.pk, ann.pk}
    engine.advance(canvas.steps.get().pk, now=timezone.now() + timedelta(days=2))
    assert laws.broken(now=timezone.now()) == []
