"""Removals wait for a deleted audience to reappear; if it stays deleted, they end."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.models import Erasure
from canvases import laws
from canvases.privacy import erase
from partners import audiences
from partners.models import Audience
from partners.queue import flush

pytestmark = pytest.mark.thorough


@pytest.fixture
def hidden_audience(world, settings, tmp_path):
    """An audience that the partner reports as deleted, with one erased member."""
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    audience, [person] = world.create_audience(), world.create_people(1)
    world.enter(world.create_sync(audience), [person])
    world.drain()
    world.sandbox.store.write(
        "UPDATE audience SET deleted_at = 1 WHERE id = ?", int(audience.remote_id)
    )
    refresh_list(world)
    Audience.objects.update(parked_until=None)
    erase.erase(world.app_group, [person.pk], asked_by="Alice", now=timezone.now())
    return audience


def refresh_list(world):
    Audience.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    audiences.refresh(world.eu, now=timezone.now(), is_forced=True)


def beats(times=3):
    for _ in range(times):
        erase.beat()
        flush.beat()
        time.sleep(0.06)  # longer than the probe interval


def receipt():
    erasure = Erasure.objects.get()
    return erasure.state, [(place["state"], place["is_gone"]) for place in erasure.places]


def test_an_erased_person_leaves_an_audience_that_reappears(world, hidden_audience):
    beats()
    assert receipt() == ("removing", [])
    world.sandbox.store.write(
        "UPDATE audience SET deleted_at = NULL WHERE id = ?", int(hidden_audience.remote_id)
    )
    refresh_list(world)
    beats()
    assert world.members(hidden_audience) == 0
    assert receipt() == ("done", [("synced", False)])


def test_a_removal_stays_open_before_the_deadline(world, hidden_audience):
    Audience.objects.update(gone_at=timezone.now() - timedelta(days=2))
    beats()
    assert receipt() == ("removing", [])


def test_a_removal_is_cancelled_after_the_deadline(world, hidden_audience):
    Audience.objects.update(gone_at=timezone.now() - timedelta(days=3))
    beats()
    assert receipt() == ("done", [("cancelled", True)])
    assert laws.broken(now=timezone.now()) == []


def test_an_old_answer_does_not_end_a_removal(world, hidden_audience):
    beats()
    world.sandbox.accounts.revoke(world.remote_token)
    long_ago = timezone.now() - timedelta(days=31)
    Audience.objects.update(gone_at=long_ago, parked_until=long_ago + timedelta(minutes=5))
    beats()
    assert receipt() == ("removing", [])


def test_a_removal_is_tried_once_more_before_it_is_cancelled(world, hidden_audience):
    long_ago = timezone.now() - timedelta(days=31)
    Audience.objects.update(
        gone_at=long_ago - timedelta(days=31), parked_until=long_ago, parked_code="40007"
    )
    world.sandbox.store.write(
        "UPDATE audience SET deleted_at = NULL WHERE id = ?", int(hidden_audience.remote_id)
    )
    beats()
    assert world.members(hidden_audience) == 0
    assert receipt() == ("done", [("synced", False)])
