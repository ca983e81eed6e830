"""Deleting an app group removes its people from audiences, then its rows, and no others."""

from functools import partial

import pytest
from django.apps import apps
from django.db import transaction
from django.utils import timezone

from audiencesync.core.models import BeatSlot
from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Erasure, Profile
from canvases import engine
from canvases.models import BranchTally, Canvas, Step, StepTally, Visit
from canvases.privacy import erase, group_deletion
from partners import laws
from partners.models import Audience, Delivery, SpentToken
from tests.support.threads import Threads

pytestmark = pytest.mark.thorough

WITHOUT_GROUP = {
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
def busy_world(world, alice):
    """A group with three synced people, three pending people and a live canvas."""
    sync_row = world.create_sync(world.create_audience())
    canvas = Canvas.objects.create(
        app_group=world.app_group, name="Welcome", state=Canvas.State.LIVE, entered=1
    )
    step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=sync_row)
    step.syncs.add(sync_row)
    StepTally.objects.create(step=step, entered=1, waiting=1)
    BranchTally.objects.create(step=step, branch=1)
    people = world.create_people(3)
    world.enter(sync_row, people)
    world.drain()
    now = timezone.now()
    Visit.objects.create(canvas=canvas, profile=people[0], step=step, due_at=now, entered_at=now)
    world.enter(sync_row, world.create_people(3))
    return world


def delete(world, by):
    assert group_deletion.delete(world.app_group, by=by, now=timezone.now())


def beat(world):
    """Run the beats once."""
    BeatSlot.objects.filter(name=group_deletion.TASK).delete()
    group_deletion.beat()
    erase.proceed(now=timezone.now())
    assert list(laws.broken(now=timezone.now())) == []


def test_people_leave_every_audience_before_the_group_is_deleted(busy_world, alice, other_group):
    audience = Audience.objects.get()
    Profile.objects.create(app_group=other_group, external_id="stays")
    delete(busy_world, alice)
    assert Canvas.objects.get().state == Canvas.State.STOPPED
    beat(busy_world)
    assert busy_world.members(audience) == 3
    assert AppGroup.objects.filter(pk=busy_world.app_group.pk).exists()
    busy_world.drain()
    assert busy_world.members(audience) == 0
    beat(busy_world)
    beat(busy_world)
    assert list(AppGroup.objects.all()) == [other_group]
    assert [profile.external_id for profile in Profile.everybody.all()] == ["stays"]
    assert not Delivery.objects.exists()
    assert not Erasure.objects.exists()


def test_no_table_keeps_rows_of_the_group(busy_world, alice):
    delete(busy_world, alice)
    for _ in range(3):
        beat(busy_world)
        busy_world.drain()
    kept = {
        "groups.User",
        "account.EmailAddress",
        "django_q.OrmQ",
        "contenttypes.ContentType",
        "auth.Permission",
        *WITHOUT_GROUP,
    }
    left = {model._meta.label for model in apps.get_models() if model._base_manager.exists()}
    assert left - kept == set()


def test_pending_people_of_the_group_are_not_sent(busy_world, alice):
    audience = Audience.objects.get()
    delete(busy_world, alice)
    beat(busy_world)
    assert not Delivery.objects.filter(
        outcome=None, batch__state="pending", batch__action="add"
    ).exists()
    busy_world.drain()
    assert busy_world.members(audience) == 0


def test_the_group_is_kept_until_the_removals_are_done(busy_world, alice):
    audience = Audience.objects.get()
    delete(busy_world, alice)
    for _ in range(3):
        beat(busy_world)
    assert AppGroup.objects.filter(pk=busy_world.app_group.pk, deleting_at__isnull=False).exists()
    assert busy_world.members(audience) == 3


def test_the_token_of_the_group_is_revoked(busy_world, alice):
    delete(busy_world, alice)
    for _ in range(3):
        beat(busy_world)
        busy_world.drain()
    assert not SpentToken.objects.exists()
    assert busy_world.sandbox.accounts.token(busy_world.remote_token) is None


def test_an_open_erasure_does_not_block_the_deletion(busy_world, alice):
    person = Profile.objects.first()
    erase.erase(busy_world.app_group, [person.pk], asked_by="Alice", now=timezone.now())
    delete(busy_world, alice)
    for _ in range(3):
        beat(busy_world)
        busy_world.drain()
    assert not AppGroup.objects.filter(pk=busy_world.app_group.pk).exists()


def test_deletion_is_idempotent(busy_world, alice):
    delete(busy_world, alice)
    assert not group_deletion.delete(busy_world.app_group, by=alice, now=timezone.now())


@pytest.mark.django_db(transaction=True)
def test_no_canvas_is_launched_while_its_group_is_archived(world, alice):
    canvas = Canvas.objects.create(app_group=world.app_group, name="Welcome")
    threads = Threads()
    with transaction.atomic():
        group_deletion.archive(world.app_group, by=alice, now=timezone.now())
        launch = partial(engine.launch, canvas, by=alice, now=timezone.now())
        threads.start(launch).join(0.7)  # it waits for the archiving
    assert threads.join() == []
    canvas.refresh_from_db()
    assert canvas.state == Canvas.State.DRAFT
