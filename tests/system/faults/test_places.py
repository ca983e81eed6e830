"""F22, F23: TikTok no longer knows an audience, or no longer lets us use an ad account. Everything else goes on."""

import time

import pytest
from django.utils import timezone

from partners import housekeeping, sync
from partners.connections import problems
from partners.models import AdAccount, Audience, Connection, Sync
from tests.system.faults.lawful import N

pytestmark = pytest.mark.slow


def _problem(asked):
    fresh = Sync.objects.select_related(problems.SYNC_RELATED).get(pk=asked.pk)
    found = problems.of_sync(fresh, now=timezone.now())
    return found.code if found else None


def test_f22_a_deleted_audience_is_flagged_by_the_first_flush_and_harms_no_other(
    town, pace, alice, mailoutbox
):
    pace(deadline=6.0, probe=0.5)
    gone, well = town.sync(town.audience("gone")), town.sync(town.audience("well"))
    town.enter(gone, town.people(N))
    town.enter(well, town.people(N))
    town.sandbox.audiences.delete(gone.audience.remote_id)
    town.beat()
    assert (_problem(gone), _problem(well)) == ("audience_gone", None)
    assert town.counts(gone) == {"entered": N, "pending": N}
    assert town.counts(well) == {"entered": N, "synced": N}
    housekeeping.beat()
    assert "The audience gone no longer exists" in mailoutbox[0].body
    town.settle()
    assert sync.reasons([gone.pk, well.pk]) == {"errored": {"40007": N}}
    town.judge()


@pytest.mark.parametrize("code", [40001, 40300])
def test_f23_only_the_ad_account_that_was_taken_away_waits(town, pace, code):
    pace(probe=0.5)
    eu, uk = town.sync(), town.sync(town.audience("uk", town.uk))
    town.enter(eu, town.people(N))
    town.enter(uk, town.people(N))
    town.fault("code", code=code, advertiser_id=town.eu.remote_id)
    began = time.monotonic()
    town.beats(1.0)
    waited = time.monotonic() - began
    assert (_problem(eu), _problem(uk)) == ("ad_account_refused", None)
    assert list(AdAccount.objects.exclude(parked_by="")) == [town.eu]
    assert Connection.objects.get().parked_by == Audience.objects.get(name="uk").parked_by == ""
    assert town.counts(eu) == {"entered": N, "pending": N}
    assert town.counts(uk) == {"entered": N, "synced": N}
    assert town.codes().count(code) <= 2 + waited / 0.5
    town.sandbox.faults.clear()
    town.settle()
    assert town.counts(eu) == {"entered": N, "synced": N}
    assert _problem(eu) is None
    town.judge()
