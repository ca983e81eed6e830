"""The privacy beat works in chunks: withdrawals do not delay erasures, and beats do not overlap."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.core.beat import exclusive
from audiencesync.people.models import Erasure, Profile, Withdrawal
from canvases import laws
from canvases.privacy import erase
from partners.queue.removals import consent

pytestmark = pytest.mark.thorough


@pytest.fixture
def audience(world, settings, tmp_path, monkeypatch):
    """An audience of five withdrawn people and an erased one; a chunk is one person."""
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    settings.SYNC = settings.SYNC | {"flush_seconds": 0.0}
    monkeypatch.setattr(consent, "WITHDRAWALS_PER_TURN", 1)
    world.app_group.remove_on_withdrawal = True
    world.app_group.save()
    audience, people = world.create_audience(), world.create_people(6)
    world.enter(world.create_sync(audience), people)
    world.drain()
    now = timezone.now()
    erase.erase(world.app_group, [people.pop().pk], asked_by="Alice", now=now)
    Profile.objects.update(ads_consent=False)
    Withdrawal.objects.bulk_create(
        Withdrawal(app_group=world.app_group, profile=person, at=now) for person in people
    )
    return audience


def test_many_withdrawals_do_not_delay_an_erasure(audience):
    erase.beat()
    assert Withdrawal.objects.count() == 4
    assert Erasure.objects.exclude(asked_at=None).exists()


def test_repeated_beats_remove_all_people(world, audience):
    for _ in range(5):
        erase.beat()
    assert not Withdrawal.objects.exists()
    world.drain()
    assert world.members(audience) == 0
    assert laws.broken(now=timezone.now()) == []


def test_a_concurrent_beat_does_nothing(audience):
    with exclusive(erase.TASK, 60):
        erase.beat()
        assert Withdrawal.objects.count() == 5
    erase.beat()
    assert Withdrawal.objects.count() == 4


def test_a_dead_beat_blocks_the_next_one_until_its_lease_expires(audience, time_machine):
    dead = exclusive(erase.TASK, 60)
    dead.__enter__()
    erase.beat()
    assert Withdrawal.objects.count() == 5
    time_machine.move_to(timezone.now() + timedelta(seconds=60))
    erase.beat()
    assert Withdrawal.objects.count() == 4
