"""Old rows are purged; counts, laws and later erasures stay correct."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.utils import timezone

from audiencesync.groups import retention as groups_retention
from audiencesync.groups.models import Activity, PurgeCursor
from audiencesync.people.models import Event, Profile
from canvases import laws
from canvases.privacy import erase as privacy
from partners import housekeeping, sync
from partners.models import Batch, Delivery, Push, Tally, TallyDay, TallyHour
from partners.queue import retention

pytestmark = pytest.mark.thorough


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


def purge(days=100):
    """Purge as housekeeping does after this number of days.

    Tables are walked at most once a day: forget the last walk, so that this call begins another.
    """
    PurgeCursor.objects.update(begun_at=None)
    housekeeping.purge(now=timezone.now() + timedelta(days=days))
    assert laws.broken(now=timezone.now()) == []


def send_people(world, *syncs, people):
    """Enqueue people for these syncs one after the other, and send them."""
    for row in syncs:
        world.enter(row, people)
        world.drain()


def erase(world, person):
    privacy.erase(world.app_group, [person.pk], asked_by="x", now=timezone.now())
    privacy.proceed(now=timezone.now())
    world.drain()
    privacy.proceed(now=timezone.now())
    assert laws.broken(now=timezone.now()) == []


def test_older_deliveries_are_purged_and_the_newest_stays(world):
    audience = world.create_audience()
    syncs = [world.create_sync(audience, claims=False) for _ in range(3)]
    send_people(world, *syncs, people=world.create_people(3))
    purge(days=80)
    assert Delivery.objects.count() == 9
    purge()
    assert set(Delivery.objects.values_list("sync", flat=True)) == {syncs[2].pk}
    assert [world.counts(to_sync) for to_sync in syncs] == [{"entered": 3, "synced": 3}] * 3
    assert Tally.objects.get(pk=syncs[0].pk).base == {"synced": {"": 3}}
    purge(days=200)
    assert Batch.objects.count() == 1
    assert syncs[0].is_used


def test_an_erasure_after_a_purge_reaches_every_audience(world):
    audiences = [world.create_audience("one"), world.create_audience("two", world.uk)]
    person, other = world.create_people(2)
    for audience in audiences:
        send_people(
            world, world.create_sync(audience), world.create_sync(audience), people=[person, other]
        )
    purge()
    purge(days=300)
    erase(world, person)
    assert [world.members(audience) for audience in audiences] == [1, 1]
    assert not Profile.everybody.filter(pk=person.pk).exists()


def test_a_synced_add_is_kept_although_a_later_one_was_cancelled(world):
    audience = world.create_audience()
    first, second = world.create_sync(audience), world.create_sync(audience)
    (person,) = people = world.create_people(1)
    send_people(world, first, people=people)
    world.enter(second, people)
    sync.discard(now=timezone.now(), connection=world.connection)
    purge()
    assert Delivery.objects.count() == 2
    erase(world, person)
    assert world.members(audience) == 0


def test_reasons_keep_their_counts_after_a_purge(world):
    sync_row = world.create_sync()
    send_people(
        world,
        sync_row,
        people=[
            *world.create_people(2),
            *world.create_people(3, email_sha256=None),
            *world.create_people(1, ads_consent=False),
        ],
    )
    before, counts = sync.reasons([sync_row.pk]), world.counts(sync_row)
    send_people(world, world.create_sync(sync_row.audience), people=world.create_people(1))
    purge()
    assert not Delivery.objects.filter(sync=sync_row, outcome="not_synced").exists()
    assert (
        sync.reasons([sync_row.pk])
        == before
        == {"not_synced": {"no_identifier": 3, "no_consent": 1}}
    )
    assert world.counts(sync_row) == counts


def test_pending_deliveries_are_never_purged(world):
    sync_row = world.create_sync()
    send_people(world, world.create_sync(sync_row.audience), people=world.create_people(1))
    people = world.create_people(2)
    world.enter(sync_row, people, now=timezone.now() - timedelta(days=500))
    Batch.objects.filter(sync=sync_row).update(due_at=timezone.now())
    purge()
    assert world.counts(sync_row) == {"entered": 2, "pending": 2}
    world.drain()
    assert world.counts(sync_row) == {"entered": 2, "synced": 2}


def test_errored_people_are_retried_after_a_purge(world):
    audience = world.create_audience()
    sync_row = world.create_sync(audience, claims=False)
    people = world.create_people(2)
    world.enter(sync_row, people)
    long_ago = timezone.now() - timedelta(days=200)
    Batch.objects.update(state="errored", settled_at=long_ago, last_code="50000")
    Tally.objects.update(pending=0, errored=2)
    send_people(world, world.create_sync(audience), people=people[:1])
    purge()
    assert (
        Delivery.objects.filter(sync=sync_row).count() == 1
    )  # the other person has a newer delivery
    assert sync.reasons([sync_row.pk]) == {"errored": {"50000": 2}}
    assert sync.retry_errored(sync_row, now=timezone.now()) == 1
    world.drain()
    assert world.counts(sync_row) == {"entered": 2, "synced": 1, "errored": 1}
    assert world.members(audience) == 2
    assert laws.broken(now=timezone.now()) == []


def test_deliveries_of_an_open_erasure_are_kept(world):
    audience = world.create_audience()
    (person,) = people = world.create_people(1)
    send_people(world, world.create_sync(audience), world.create_sync(audience), people=people)
    privacy.erase(world.app_group, [person.pk], asked_by="x", now=timezone.now())
    purge()
    assert Delivery.objects.filter(profile=person.pk).count() == 2
    privacy.proceed(now=timezone.now())
    world.drain()
    purge()
    privacy.proceed(now=timezone.now())
    assert world.members(audience) == 0
    purge(days=300)
    assert Delivery.objects.count() == 0  # no profile is left
    assert laws.broken(now=timezone.now()) == []


def test_nothing_is_purged_when_retention_is_disabled(world, settings):
    settings.KEEP_DAYS = dict.fromkeys(settings.KEEP_DAYS, 0.0)
    audience = world.create_audience()
    send_people(
        world,
        world.create_sync(audience),
        world.create_sync(audience),
        people=world.create_people(2),
    )
    purge(days=9000)
    assert (Delivery.objects.count(), Push.objects.count()) == (4, 2)


def test_events_activities_and_sessions_are_purged_by_age(world, alice):
    now = timezone.now()
    (person,) = world.create_people(1)
    for days in (700, 740):  # these rows are kept for 730 days
        at = now - timedelta(days=days)
        Event.objects.create(app_group=world.app_group, profile=person, name="bought", at=at)
        Activity.objects.create(
            app_group=world.app_group, actor=alice, verb="created", subject="x", at=at
        )
        Session.objects.create(session_key=f"s{days}", expire_date=now + timedelta(days=720 - days))
    housekeeping.purge(now=now)
    assert [model.objects.count() for model in (Event, Activity, Session)] == [1, 1, 1]


@pytest.mark.parametrize(("keep", "left"), [(730.0, 3), (30.0, 2), (0.5, 1), (0.0, 4)])
def test_numbers_by_hour_and_day_are_purged_by_age_in_chunks(
    world, settings, monkeypatch, keep, left
):
    """Numbers of the last three days stay, because incidents read them."""
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"step_hours": keep}
    monkeypatch.setattr(groups_retention, "CHUNK", 1)
    now, sync = timezone.now(), world.create_sync()
    for days in (800, 40, 20, 2):
        at = now - timedelta(days=days)
        TallyHour.objects.create(sync=sync, hour=at, synced=1)
        TallyDay.objects.create(sync=sync, day=at.date())
    for _chunk in range(4):  # each call deletes at least one chunk, even on a slow machine
        housekeeping.purge(now=now)
    assert TallyHour.objects.count() == TallyDay.objects.count() == left


def test_a_purge_without_time_begins_no_chunk_and_the_next_continues(world, monkeypatch):
    audience = world.create_audience()
    syncs = [world.create_sync(audience, claims=False) for _ in range(2)]
    send_people(world, *syncs, people=world.create_people(5))
    monkeypatch.setattr(groups_retention, "CHUNK", 2)
    monkeypatch.setattr(retention, "SECONDS_PER_CALL", 0.0)
    purge()
    assert Delivery.objects.count() == 10
    monkeypatch.setattr(retention, "SECONDS_PER_CALL", 5.0)
    purge()
    assert Delivery.objects.count() == 5
    assert [world.counts(to_sync)["entered"] for to_sync in syncs] == [5, 5]


@pytest.mark.parametrize(
    "table", ["partners_batch", "partners_tally", "partners_delivery", "groups_lap"]
)
def test_a_chunk_that_fails_halfway_is_rolled_back(world, table):
    audience = world.create_audience()
    syncs = [world.create_sync(audience, claims=False) for _ in range(2)]
    send_people(world, *syncs, people=world.create_people(5))

    def fail(execute, sql, params, many, context):
        # groups_lap holds a cursor for each purged table; only that of the deliveries fails.
        is_of_deliveries = table != "groups_lap" or "deliveries" in (params or ())
        if (
            sql.startswith(("UPDATE", "DELETE"))
            and table in sql.split("WHERE")[0]
            and is_of_deliveries
        ):
            raise OperationalError("the connection was lost")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail), pytest.raises(OperationalError):
        housekeeping.purge(now=timezone.now() + timedelta(days=100))
    assert Delivery.objects.count() == 10
    assert laws.broken(now=timezone.now()) == []
    purge()
    assert Delivery.objects.count() == 5
