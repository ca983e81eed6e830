"""Deliveries and visits of an anonymous profile go to the profile that it is merged into."""

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

pytestmark = pytest.mark.thorough

EMAIL = "v@example.org"


def _upsert(group, **name):
    (pk,) = upsert(group, [Change(**name)], now=timezone.now()).profile_ids
    return Profile.objects.get(pk=pk)


@pytest.fixture
def anonymous(acme):
    return _upsert(acme, email=EMAIL)


@pytest.fixture
def ann(acme):
    return _upsert(acme, external_id="ann")


def identify(group):
    pair = {"email": EMAIL, "external_id": "ann"}
    arrays = {
        "aliases_to_identify": [],
        "emails_to_identify": [pair],
        "phone_numbers_to_identify": [],
    }
    assert identities.identify(group, arrays, now=timezone.now()).processed == 1


def test_pending_deliveries_are_sent_for_the_merged_profile(world, acme, anonymous, ann):
    add = world.sync()
    world.enter(add, [anonymous])
    identify(acme)
    world.drain()
    assert world.counts(add) == {"entered": 1, "synced": 1}
    assert world.members(add.audience) == 1


def test_an_older_removal_does_not_overrule_an_add_of_the_merged_profile(
    world, acme, anonymous, ann, settings
):
    settings.SYNC = settings.SYNC | {"backoff_base": 60.0, "backoff_max": 1800.0}
    audience = world.audience()
    add, remove, again = world.sync(audience), world.sync(audience, "remove"), world.sync(audience)
    world.enter(add, [anonymous])
    world.drain()
    world.enter(remove, [anonymous])
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
def canvas(acme, anonymous, bob):
    """A live canvas with the anonymous profile at its only step."""
    everybody = Segment.objects.create(app_group=acme, name="Everybody")
    row = Canvas.objects.create(app_group=acme, name="Cart", segment=everybody, created_by=bob)
    Step.objects.create(canvas=row, kind="delay", settings={"amount": 1, "unit": "days"})
    engine.launch(row, by=bob, now=timezone.now())
    assert engine.admit_some(row.pk, [anonymous.pk], now=timezone.now()) == 1
    return row


def test_a_visit_continues_with_the_merged_profile(world, acme, canvas, ann):
    identify(acme)
    assert Visit.objects.get(canvas=canvas).profile == ann


def test_a_merge_does_not_advance_a_person_twice(world, acme, canvas, anonymous, ann):
    assert engine.admit_some(canvas.pk, [ann.pk], now=timezone.now()) == 1
    identify(acme)
    assert set(Visit.objects.values_list("profile", flat=True)) == {anonymous.pk, ann.pk}
    engine.advance(canvas.steps.get().pk, now=timezone.now() + timedelta(days=2))
    assert laws.broken(now=timezone.now()) == []
