"""F11, F12: TikTok asks us to slow down, for a while or for longer than people may wait."""

from datetime import timedelta
from itertools import pairwise

import pytest

from partners import housekeeping, sync
from partners.models import AdAccount, Batch, Push
from tests.system.faults.lawful import N, Town

pytestmark = pytest.mark.slow
PARK = 0.5


def _one_at_a_time(town, code):
    """Answers with this code come for what was under way when the storm began; then one per interval."""

    def storm():
        at = [line.at for line in town.mappings() if line.code == code]
        return at, [moment for moment in at if moment > at[0] + PARK * 0.9]

    town.beat()
    town.beat_until(lambda: len(storm()[1]) >= 3)
    at, probes = storm()
    assert len(at) - len(probes) <= 16  # SYNC["threads"]
    assert [
        later - sooner for sooner, later in pairwise(probes) if later - sooner < PARK * 0.9
    ] == []


def _many_requests(town, account):
    """A thousand people who need twenty requests."""
    AdAccount.objects.filter(pk=account.pk).update(learned_cap=N // 20)
    asked = town.sync(town.audience(account.name, account))
    town.enter(asked, town.people(N))
    return asked


def test_f11_a_storm_for_the_whole_app_is_met_with_one_request_per_interval(town, pace):
    pace(throttle_park=PARK)
    asked = _many_requests(town, town.eu)
    town.fault("throttle")
    _one_at_a_time(town, 40100)
    town.sandbox.faults.clear()
    town.settle()
    assert town.counts(asked) == {"entered": N, "synced": N}
    assert set(Batch.objects.values_list("attempts", flat=True)) == {0}
    town.judge()


def test_f11_a_storm_in_one_ad_account_is_none_of_another_tenants_business(town, other_group, pace):
    pace(throttle_park=PARK)
    neighbour = Town(town.server, other_group)
    stormy, calm = _many_requests(town, town.eu), _many_requests(neighbour, neighbour.uk)
    town.fault("throttle", advertiser_id=town.eu.remote_id)
    _one_at_a_time(town, 40133)
    town.beat_until(lambda: town.counts(calm) == {"entered": N, "synced": N})
    assert town.counts(stormy) == {"entered": N, "pending": N}
    assert [
        line.code for line in town.mappings() if line.audiences == [calm.audience.remote_id]
    ] == [0] * 20
    town.sandbox.faults.clear()
    town.settle()
    town.judge()


def test_f12_whoever_was_throttled_for_too_long_is_errored_and_mailed_about(
    town, pace, alice, mailoutbox
):
    pace(throttle_park=0.4, deadline=6.0)
    asked = town.sync()
    town.enter(asked, town.people(N))
    town.fault("throttle")
    town.beat_until(lambda: housekeeping.beat() or mailoutbox)
    soon = "People will soon count as errors in Acme"
    assert [mail.subject for mail in mailoutbox] == [soon]
    town.settle()
    assert sync.reasons([asked.pk]) == {"errored": {"40100": N}}
    batch = Batch.objects.get()
    assert batch.settled_at >= batch.deadline_at
    assert Push.objects.order_by("at").last().at >= batch.deadline_at - timedelta(seconds=0.4)
    for _ in range(2):
        housekeeping.beat()
    assert [mail.subject for mail in mailoutbox] == [soon, "People were not sent to TikTok in Acme"]
    town.judge()
