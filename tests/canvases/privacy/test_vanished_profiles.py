"""If the row of a profile is deleted, its deliveries and visits end as erased, and laws hold."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases import engine, laws
from canvases.models import Canvas, CanvasHour, Step, StepTally, Visit
from partners.models import Delivery

pytestmark = pytest.mark.thorough


def delete_row(person):
    """Delete only the row, as an erasure that misses a concurrent transaction would."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {Profile._meta.db_table} WHERE id = %s", [person.pk])


@pytest.mark.parametrize("action", ["add", "remove"])
def test_a_pending_delivery_of_a_deleted_profile_is_cancelled_as_erased(world, action):
    sync_row, people = world.create_sync(action=action), world.create_people(4)
    world.enter(sync_row, people)
    delete_row(people[1])
    world.drain()
    assert world.counts(sync_row) == {"entered": 4, "cancelled": 1, "synced": 3}
    [gone] = Delivery.objects.exclude(outcome=None)
    assert (gone.profile_id, gone.reason) == (people[1].pk, "erased")
    assert laws.broken(now=timezone.now()) == []


def test_a_batch_of_deleted_profiles_is_cancelled(world):
    sync_row, people = world.create_sync(), world.create_people(2)
    world.enter(sync_row, people)
    for person in people:
        delete_row(person)
    world.drain()
    assert world.counts(sync_row) == {"entered": 2, "cancelled": 2}
    assert world.mappings() == []
    assert laws.broken(now=timezone.now()) == []


def test_a_visit_of_a_deleted_profile_enters_as_erased(world, alice):
    sync_row, people = world.create_sync(), world.create_people(3)
    canvas = Canvas.objects.create(
        app_group=world.app_group, name="Journey", state="live", entered=3
    )
    CanvasHour.objects.create(canvas=canvas, hour=timezone.now(), entered=3)
    step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=sync_row)
    step.syncs.add(sync_row)
    now = timezone.now()
    at = {"canvas": canvas, "step": step, "due_at": now, "entered_at": now}
    Visit.objects.bulk_create(Visit(profile=person, **at) for person in people)
    StepTally.objects.create(step=step, entered=3, waiting=3)
    delete_row(people[0])
    assert engine.advance(step.pk, now=now + timedelta(seconds=1)) == 3
    assert world.counts(sync_row) == {"entered": 3, "cancelled": 1, "pending": 2}
    assert laws.broken(now=timezone.now()) == []
