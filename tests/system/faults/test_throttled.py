"""F11, F12: TikTok throttles us, for a while or past the deadline of the people."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from partners import housekeeping, sync
from partners.models import AdAccount, Batch, Push
from tests.system.faults.checked_world import N_PEOPLE, CheckedWorld

pytestmark = pytest.mark.slow
PARK_SECONDS = 2.0


def _assert_one_probe_per_interval(world, code):
    """Assert one probe per interval. Requests under way at the first refusal do not count."""

    def refusals():
        return [line.at for line in world.mappings() if line.code == code]

    world.beat_until(refusals)
    under_way = len(refusals())
    assert under_way <= 16  # SYNC["threads"]
    world.beat_until(lambda: len(refusals()) >= under_way + 3)
    pauses = [later - earlier for earlier, later in pairwise(refusals()[under_way:])]
    assert [pause for pause in pauses if pause < PARK_SECONDS * 0.9] == []


def _enter_for_twenty_requests(world, account):
    """Return a Sync whose N_PEOPLE pending people need twenty requests."""
    AdAccount.objects.filter(pk=account.pk).update(learned_cap=N_PEOPLE // 20)
    to_sync = world.create_sync(world.create_audience(account.name, account))
    world.enter(to_sync, world.create_people(N_PEOPLE))
    return to_sync


def test_f11_a_throttled_app_sends_one_probe_per_interval(world, set_sync_times):
    set_sync_times(throttle_park=PARK_SECONDS)
    to_sync = _enter_for_twenty_requests(world, world.eu)
    world.set_fault("throttle")
    _assert_one_probe_per_interval(world, 40100)
    world.sandbox.faults.clear()
    world.drain()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    assert set(Batch.objects.values_list("attempts", flat=True)) == {0}
    world.check_at_rest()


def test_f11_a_throttled_ad_account_does_not_delay_another_group(
    world, other_group, set_sync_times
):
    set_sync_times(throttle_park=PARK_SECONDS)
    neighbour = CheckedWorld(world.server, other_group)
    throttled, calm = (
        _enter_for_twenty_requests(world, world.eu),
        _enter_for_twenty_requests(neighbour, neighbour.uk),
    )
    world.set_fault("throttle", advertiser_id=world.eu.remote_id)
    _assert_one_probe_per_interval(world, 40133)
    world.beat_until(lambda: world.counts(calm) == {"entered": N_PEOPLE, "synced": N_PEOPLE})
    assert world.counts(throttled) == {"entered": N_PEOPLE, "pending": N_PEOPLE}
    assert [
        line.code for line in world.mappings() if line.audiences == [calm.audience.remote_id]
    ] == [0] * 20
    world.sandbox.faults.clear()
    world.drain()
    world.check_at_rest()


def test_f12_people_throttled_past_their_deadline_are_errored_and_mailed_about(
    world, set_sync_times, alice, mailoutbox
):
    set_sync_times(throttle_park=0.4, deadline=26.0)
    to_sync = world.create_sync()
    world.enter(to_sync, world.create_people(N_PEOPLE))
    world.set_fault("throttle")
    world.beat_until(lambda: housekeeping.beat() or mailoutbox)
    begun = "TikTok needs attention in Acme: People wait too long for the ad account Acme EU"
    assert [mail.subject for mail in mailoutbox] == [begun]
    Batch.objects.update(deadline_at=timezone.now() + timedelta(seconds=2))
    world.drain()
    assert sync.reasons([to_sync.pk]) == {"errored": {"40100": N_PEOPLE}}
    batch = Batch.objects.get()
    assert batch.settled_at >= batch.deadline_at
    assert Push.objects.order_by("at").last().at >= batch.deadline_at - timedelta(seconds=1)
    for _ in range(2):
        housekeeping.beat()
    subjects = [mail.subject for mail in mailoutbox]
    assert subjects.count("People were not sent to TikTok in Acme") == 1
    assert len(set(subjects)) == len(subjects)
    world.check_at_rest()
