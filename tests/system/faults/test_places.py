"""F22, F23: an audience is deleted or an ad account is taken away at TikTok; the others go on."""

import time

import pytest
from django.utils import timezone

from partners import housekeeping, sync
from partners.connections import problems
from partners.models import AdAccount, Audience, Batch, Connection, Sync
from tests.system.faults.checked_world import N

pytestmark = pytest.mark.slow


def _problem(to_sync):
    fresh = Sync.objects.select_related(problems.SYNC_RELATED).get(pk=to_sync.pk)
    found = problems.of_sync(fresh, now=timezone.now())
    return found.code if found else None


def test_f22_a_deleted_audience_is_parked_at_the_first_flush_and_affects_no_other(
    world, pace, alice, mailoutbox
):
    pace(probe=0.5)
    gone, well = world.sync(world.audience("gone")), world.sync(world.audience("well"))
    world.enter(gone, world.people(N))
    world.enter(well, world.people(N))
    world.sandbox.audiences.delete(gone.audience.remote_id)
    world.beat()
    assert (_problem(gone), _problem(well)) == ("audience_gone", None)
    assert world.counts(gone) == {"entered": N, "pending": N}
    assert world.counts(well) == {"entered": N, "synced": N}
    housekeeping.beat()
    assert "The audience gone no longer exists" in mailoutbox[0].body
    Batch.objects.update(deadline_at=timezone.now())
    world.drain()
    assert sync.reasons([gone.pk, well.pk]) == {"errored": {"40007": N}}
    world.check_at_rest()


@pytest.mark.parametrize("code", [40001, 40300])
def test_f23_people_wait_only_for_the_refused_ad_account(world, pace, code):
    pace(probe=0.5)
    eu, uk = world.sync(), world.sync(world.audience("uk", world.uk))
    world.enter(eu, world.people(N))
    world.enter(uk, world.people(N))
    world.fault("code", code=code, advertiser_id=world.eu.remote_id)
    began = time.monotonic()
    world.beat_for(1.0)
    waited = time.monotonic() - began
    assert (_problem(eu), _problem(uk)) == ("ad_account_refused", None)
    assert list(AdAccount.objects.exclude(parked_by="")) == [world.eu]
    assert Connection.objects.get().parked_by == Audience.objects.get(name="uk").parked_by == ""
    assert world.counts(eu) == {"entered": N, "pending": N}
    assert world.counts(uk) == {"entered": N, "synced": N}
    assert world.codes().count(code) <= 2 + waited / 0.5
    world.sandbox.faults.clear()
    world.drain()
    assert world.counts(eu) == {"entered": N, "synced": N}
    assert _problem(eu) is None
    world.check_at_rest()
