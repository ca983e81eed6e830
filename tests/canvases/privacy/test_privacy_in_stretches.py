"""The beat of privacy works in stretches: no part keeps the others waiting, and two beats do not do the same."""

import time

import pytest
from django.utils import timezone

from audiencesync.core import beat as clock
from audiencesync.people.models import Erasure, Profile, Withdrawal
from canvases import laws
from canvases.privacy import erase
from partners.queue import withdrawals


@pytest.fixture
def audience(world, settings, tmp_path, monkeypatch):
    """With six people, of whom five withdraw consent and one is erased. A stretch is one person, and time for one."""
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    settings.SYNC = settings.SYNC | {"flush_seconds": 0.0}
    monkeypatch.setattr(withdrawals, "AT_ONCE", 1)
    world.app_group.remove_on_withdrawal = True
    world.app_group.save()
    audience, people = world.audience(), world.people(6)
    world.enter(world.sync(audience), people)
    world.drain()
    now = timezone.now()
    erase.erase(world.app_group, [people.pop().pk], asked_by="Alice", now=now)
    Profile.objects.update(ads_consent=False)
    Withdrawal.objects.bulk_create(
        Withdrawal(app_group=world.app_group, profile=one, at=now) for one in people
    )
    return audience


def test_an_erasure_goes_on_while_many_withdraw(audience):
    erase.beat()
    assert Withdrawal.objects.count() == 4
    assert Erasure.objects.exclude(asked_at=None).exists()


def test_beat_by_beat_everybody_leaves(world, audience):
    for _ in range(5):
        erase.beat()
    assert not Withdrawal.objects.exists()
    world.drain()
    assert world.members(audience) == 0
    assert laws.broken(now=timezone.now()) == []


def test_a_second_beat_does_nothing_meanwhile(audience):
    with clock.exclusive(erase.TASK, 60):
        erase.beat()
        assert Withdrawal.objects.count() == 5
    erase.beat()
    assert Withdrawal.objects.count() == 4


def test_a_beat_that_died_holds_up_the_next_ones_no_longer_than_a_lease(audience):
    dead = clock.exclusive(erase.TASK, 0.2)
    dead.__enter__()
    erase.beat()
    assert Withdrawal.objects.count() == 5
    time.sleep(0.2)
    erase.beat()
    assert Withdrawal.objects.count() == 4
