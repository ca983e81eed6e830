"""Deleting an app group: its people leave every audience first, then all rows go; the neighbour keeps everything."""

import pytest
from django.apps import apps
from django.utils import timezone

from audiencesync.core.models import BeatSlot
from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Erasure, Profile
from canvases import deleting
from canvases.models import Canvas, Step, StepTally, Visit
from canvases.privacy import erase
from partners import laws
from partners.models import Audience, Delivery, SpentToken

OF_ANOTHER_LIFE = {
    "groups.BeatSlot",
    "groups.Activity",
    "partners.Budget",
    "partners.Lane",
    "partners.Count",
}


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


@pytest.fixture
def busy(world, alice):
    """Three people synced, three waiting, a live canvas."""
    asked = world.sync(world.audience())
    canvas = Canvas.objects.create(
        app_group=world.app_group, name="Welcome", state=Canvas.State.LIVE, entered=1
    )
    step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=asked)
    step.syncs.add(asked)
    StepTally.objects.create(step=step, entered=1, waiting=1)
    people = world.people(3)
    world.enter(asked, people)
    world.drain()
    now = timezone.now()
    Visit.objects.create(canvas=canvas, profile=people[0], step=step, due_at=now, entered_at=now)
    world.enter(asked, world.people(3))
    return world


def delete(world, by):
    assert deleting.delete(world.app_group, by=by, now=timezone.now())


def step(world):
    """What the beats do."""
    BeatSlot.objects.filter(name=deleting.TASK).delete()
    deleting.beat()
    erase.proceed(now=timezone.now())
    assert list(laws.broken(now=timezone.now())) == []


def test_its_people_leave_every_audience_before_it_is_gone(busy, alice, other_group):
    audience = Audience.objects.get()
    Profile.objects.create(app_group=other_group, external_id="stays")
    delete(busy, alice)
    assert Canvas.objects.get().state == Canvas.State.STOPPED
    step(busy)
    assert busy.members(audience) == 3
    assert AppGroup.objects.filter(pk=busy.app_group.pk).exists()
    busy.drain()
    assert busy.members(audience) == 0
    step(busy)
    step(busy)
    assert list(AppGroup.objects.all()) == [other_group]
    assert [one.external_id for one in Profile.everybody.all()] == ["stays"]
    assert not Delivery.objects.exists()
    assert not Erasure.objects.exists()


def test_nothing_of_it_is_left_in_any_table(busy, alice):
    delete(busy, alice)
    for _ in range(3):
        step(busy)
        busy.drain()
    kept = {
        "groups.User",
        "account.EmailAddress",
        "django_q.OrmQ",
        "contenttypes.ContentType",
        "auth.Permission",
        *OF_ANOTHER_LIFE,
    }
    left = {model._meta.label for model in apps.get_models() if model._base_manager.exists()}
    assert left - kept == set()


def test_nobody_who_waits_is_sent(busy, alice):
    audience = Audience.objects.get()
    delete(busy, alice)
    step(busy)
    assert not Delivery.objects.filter(
        outcome=None, batch__state="pending", batch__action="add"
    ).exists()
    busy.drain()
    assert busy.members(audience) == 0


def test_it_stays_until_the_removals_are_done(busy, alice):
    audience = Audience.objects.get()
    delete(busy, alice)
    for _ in range(3):
        step(busy)
    assert AppGroup.objects.filter(pk=busy.app_group.pk, deleting_at__isnull=False).exists()
    assert busy.members(audience) == 3


def test_its_token_ends_at_the_partner_too(busy, alice):
    delete(busy, alice)
    for _ in range(3):
        step(busy)
        busy.drain()
    assert not SpentToken.objects.exists()
    assert busy.sandbox.accounts.token(busy.remote_token) is None


def test_an_erasure_asked_for_before_is_not_lost(busy, alice):
    person = Profile.objects.first()
    erase.erase(busy.app_group, [person.pk], asked_by="Alice", now=timezone.now())
    delete(busy, alice)
    for _ in range(3):
        step(busy)
        busy.drain()
    assert not AppGroup.objects.filter(pk=busy.app_group.pk).exists()


def test_asking_twice_changes_nothing(busy, alice):
    delete(busy, alice)
    assert not deleting.delete(busy.app_group, by=alice, now=timezone.now())
