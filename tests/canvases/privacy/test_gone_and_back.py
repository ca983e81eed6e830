"""Who is erased while an audience only seems gone leaves it when it is back; given up is what is gone for certain."""

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


@pytest.fixture
def hidden(world, settings, tmp_path):
    """An audience with one person in it, who is erased while the partner denies that it exists."""
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    audience, [ann] = world.audience(), world.people(1)
    world.enter(world.sync(audience), [ann])
    world.drain()
    world.sandbox.store.write(
        "UPDATE audience SET deleted_at = 1 WHERE id = ?", int(audience.remote_id)
    )
    listed(world)
    Audience.objects.update(parked_until=None)
    erase.erase(world.app_group, [ann.pk], asked_by="Alice", now=timezone.now())
    return audience


def listed(world):
    Audience.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    audiences.refresh(world.eu, now=timezone.now(), is_forced=True)


def beats(times=3):
    for _ in range(times):
        erase.beat()
        flush.beat()
        time.sleep(0.06)  # a probe


def receipt():
    erasure = Erasure.objects.get()
    return erasure.state, [(place["state"], place["is_gone"]) for place in erasure.places]


def test_they_leave_it_when_it_is_back(world, hidden):
    beats()
    assert receipt() == ("removing", [])
    world.sandbox.store.write(
        "UPDATE audience SET deleted_at = NULL WHERE id = ?", int(hidden.remote_id)
    )
    listed(world)
    beats()
    assert world.members(hidden) == 0
    assert receipt() == ("done", [("synced", False)])


def test_not_given_up_a_day_before(world, hidden):
    Audience.objects.update(gone_at=timezone.now() - timedelta(days=2))
    beats()
    assert receipt() == ("removing", [])


def test_given_up_when_it_was_gone_for_days(world, hidden):
    Audience.objects.update(gone_at=timezone.now() - timedelta(days=3))
    beats()
    assert receipt() == ("done", [("cancelled", True)])
    assert laws.broken(now=timezone.now()) == []


def test_not_given_up_for_what_was_said_long_ago(world, hidden):
    beats()
    world.sandbox.accounts.revoke(world.remote_token)
    long_ago = timezone.now() - timedelta(days=31)
    Audience.objects.update(gone_at=long_ago, parked_until=long_ago + timedelta(minutes=5))
    beats()
    assert receipt() == ("removing", [])


def test_not_given_up_untried(world, hidden):
    long_ago = timezone.now() - timedelta(days=31)
    Audience.objects.update(
        gone_at=long_ago - timedelta(days=31), parked_until=long_ago, parked_code="40007"
    )
    world.sandbox.store.write(
        "UPDATE audience SET deleted_at = NULL WHERE id = ?", int(hidden.remote_id)
    )
    beats()
    assert world.members(hidden) == 0
    assert receipt() == ("done", [("synced", False)])
