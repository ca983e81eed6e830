"""A throttled or slow ad account delays no other ad account."""

import time

import pytest

from partners.models import Budget, Push
from partners.queue import flush

pytestmark = pytest.mark.thorough


def test_a_throttled_ad_account_gets_no_further_requests(world, settings):
    settings.SYNC = settings.SYNC | {"throttle_park": 300.0}
    world.set_fault("throttle", advertiser_id=world.eu.remote_id)
    eu, uk = world.create_sync(), world.create_sync(world.create_audience("uk", world.uk))
    world.enter(eu, world.create_people(3))
    world.enter(uk, world.create_people(3))
    world.flush(seconds=60)
    assert len([line for line in world.mappings() if line.code == 40133]) == 1
    assert Budget.objects.get(key=f"lane:{world.eu.lane}").throttles == 1
    assert world.counts(uk) == {"entered": 3, "synced": 3}


def test_new_people_are_sent_during_a_slow_call(world, settings):
    settings.SYNC = settings.SYNC | {"request_deadline": 30.0, "lease": 60.0}
    world.set_fault("slow", seconds=8, advertiser_id=world.eu.remote_id)
    eu, uk = world.create_sync(), world.create_sync(world.create_audience("uk", world.uk))
    world.enter(eu, world.create_people(1))
    run, entered = flush.Flush(seconds=60), []
    real = run._settle

    def spy(*, block):
        if block and not entered:
            entered.append(world.enter(uk, world.create_people(1)))
        real(block=block)

    run._settle = spy
    run.run()
    assert world.counts(uk) == {"entered": 1, "synced": 1}
    answers = Push.objects.order_by("pk").values_list("ad_account", flat=True)
    assert list(answers) == [world.uk.pk, world.eu.pk]


@pytest.mark.parametrize("threads", [1, 4])
def test_few_threads_send_too(world, settings, threads):
    settings.SYNC = settings.SYNC | {"threads": threads}
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(2))
    world.flush(seconds=5)
    assert world.counts(sync_row) == {"entered": 2, "synced": 2}


def test_no_request_is_leased_that_could_only_be_sent_after_its_lease(world, settings, monkeypatch):
    short = {"lease": 12.0, "request_deadline": 10.0, "requests_per_second": 1.0}
    settings.SYNC = settings.SYNC | short  # leaves 7/8 of two seconds to send
    for kinds in (["email"], ["email", "phone"], ["email", "gaid"]):
        world.enter(world.create_sync(kinds=kinds), world.create_people(1))
    waits, send = [], flush.send

    def spy(parcel, *, at):
        waits.append(at - time.monotonic())
        return send(parcel, at=at)

    monkeypatch.setattr(flush, "send", spy)
    world.drain()
    assert max(waits) <= 1.75
