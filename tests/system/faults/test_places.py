"""F22, F23: a deleted audience, or an ad account without access, does not affect the others."""

import time

import pytest
from django.utils import timezone

from partners import housekeeping, sync
from partners.connections import problems
from partners.models import AdAccount, Audience, Batch, Connection, Sync
from tests.system.faults.checked_world import N_PEOPLE

pytestmark = pytest.mark.slow


def _problem_code(to_sync):
    fresh = Sync.objects.select_related(problems.SYNC_RELATED).get(pk=to_sync.pk)
    problem = problems.of_sync(fresh)
    return problem.code if problem else None


def test_f22_a_deleted_audience_is_parked_at_the_first_flush_and_affects_no_other(
    world, set_sync_times, alice, mailoutbox
):
    set_sync_times(probe=0.5)
    gone, well = (
        world.create_sync(world.create_audience("gone")),
        world.create_sync(world.create_audience("well")),
    )
    world.enter(gone, world.create_people(N_PEOPLE))
    world.enter(well, world.create_people(N_PEOPLE))
    world.sandbox.audiences.delete(gone.audience.remote_id)
    set_sync_times(flush_seconds=60)  # one beat sends all, also on a busy machine
    world.beat()
    assert (_problem_code(gone), _problem_code(well)) == ("audience_gone", None)
    assert world.counts(gone) == {"entered": N_PEOPLE, "pending": N_PEOPLE}
    assert world.counts(well) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    housekeeping.beat()
    assert "The audience gone no longer exists" in mailoutbox[0].body
    Batch.objects.update(deadline_at=timezone.now())
    world.drain()
    assert sync.reasons([gone.pk, well.pk]) == {"errored": {"40007": N_PEOPLE}}
    world.check_at_rest()


@pytest.mark.parametrize("code", [40001, 40300])
def test_f23_people_wait_only_for_the_refused_ad_account(world, set_sync_times, code):
    set_sync_times(probe=0.5)
    eu, uk = world.create_sync(), world.create_sync(world.create_audience("uk", world.uk))
    world.enter(eu, world.create_people(N_PEOPLE))
    world.enter(uk, world.create_people(N_PEOPLE))
    world.set_fault("code", code=code, advertiser_id=world.eu.remote_id)
    began = time.monotonic()
    world.beat_for(1.0)
    waited = time.monotonic() - began
    assert (_problem_code(eu), _problem_code(uk)) == ("ad_account_refused", None)
    assert list(AdAccount.objects.exclude(parked_by="")) == [world.eu]
    assert Connection.objects.get().parked_by == Audience.objects.get(name="uk").parked_by == ""
    assert world.counts(eu) == {"entered": N_PEOPLE, "pending": N_PEOPLE}
    assert world.counts(uk) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    assert world.codes().count(code) <= 2 + waited / 0.5
    world.sandbox.faults.clear()
    world.drain()
    assert world.counts(eu) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    assert _problem_code(eu) is None
    world.check_at_rest()
