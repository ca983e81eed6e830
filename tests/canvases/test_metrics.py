"""/metrics says what the rows say: how late, how many, why they wait, what partners answered, whether the laws hold."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from canvases import metrics
from partners.models import AdAccount, Batch, Connection, Push, Sync
from partners.queue import collect
from tests.support.scrape import TOKEN


@pytest.fixture
def waiting(world):
    """Three people who wait for their first try."""
    asked = world.sync()
    world.enter(asked, world.people(3))
    return Batch.objects.filter(sync=asked)


def test_without_a_token_in_the_settings_there_is_no_page(db, settings):
    settings.METRICS_TOKEN = ""
    for header in ({}, {"Authorization": "Bearer "}):
        assert Client().get("/metrics", headers=header).status_code == 404


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", "Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer é"]
)
def test_a_stranger_reads_nothing(scrape, given):
    """No `db` fixture: nothing is read for a stranger."""
    answer = Client().get("/metrics", headers={"Authorization": given} if given else {})
    assert (answer.status_code, answer.content) == (401, b"")


def test_an_idle_installation(db, scrape):
    found = scrape()
    assert found["audsync_oldest_due_seconds"] == 0
    assert found["audsync_pending_people"] == 0
    assert found["audsync_lease_reclaims_total"] == 0
    assert "audsync_deadline_next_seconds" not in found


def test_who_waits_and_how_long(scrape, waiting):
    waiting.update(due_at=timezone.now() - timedelta(seconds=90))
    found = scrape()
    assert found["audsync_pending_people"] == 3
    assert 90 <= found["audsync_oldest_due_seconds"] < 100


@pytest.mark.parametrize(
    ("model", "trouble", "by"),
    [
        (Connection, {"parked_by": "token"}, "token"),
        (Connection, {"token_sealed": ""}, "disconnected"),
        (AdAccount, {"parked_by": "throttled"}, "throttled"),
        (AdAccount, {"is_chosen": False}, "ad_account_disconnected"),
        (Sync, {"paused": True}, "canvas_stopped"),
    ],
)
def test_parked_people_have_a_cause_and_are_not_late(scrape, waiting, model, trouble, by):
    waiting.update(due_at=timezone.now() - timedelta(seconds=90))
    parked = (
        {"parked_until": timezone.now() + timedelta(minutes=5)} if "parked_by" in trouble else {}
    )
    model.objects.update(**trouble, **parked)
    found = scrape()
    assert {name: n for name, n in found.items() if "parked" in name} == {
        f"audsync_parked_people{{by={by}}}": 3
    }
    assert found["audsync_oldest_due_seconds"] == 0


def test_the_time_from_entering_to_synced(scrape, world, waiting):
    world.flush()
    now = timezone.now()
    waiting.update(created_at=now - timedelta(seconds=6), settled_at=now)
    found = scrape()
    buckets = {name: n for name, n in found.items() if "seconds_bucket" in name}
    assert len(buckets) == 10
    assert {name for name, n in buckets.items() if n == 0} == {
        f"audsync_enter_to_synced_seconds_bucket{{le={edge}.0}}" for edge in (1, 2, 5)
    }
    assert set(buckets.values()) == {0, 3}
    assert found["audsync_enter_to_synced_seconds_sum"] == pytest.approx(18)
    waiting.update(settled_at=now - timedelta(hours=2))
    assert scrape()["audsync_enter_to_synced_seconds_count"] == 0


def test_answers_by_code(scrape, world, waiting):
    world.fault("code", code=50000, count=1)
    world.drain()
    old = Push.objects.first()
    Push.objects.create(
        ad_account=old.ad_account, people=1, ids=1, ms=1, code="0", at=old.at - timedelta(days=2)
    )
    found = scrape()
    assert found["audsync_requests_day{code=50000}"] == 1
    assert found["audsync_requests_day{code=0}"] == 1


def test_the_next_deadline(scrape, waiting):
    waiting.update(deadline_at=timezone.now() + timedelta(minutes=30))
    assert 1790 < scrape()["audsync_deadline_next_seconds"] <= 1800


def test_leases_taken_back_are_counted(scrape, waiting):
    for _time in range(2):
        waiting.update(lease="dead", lease_until=timezone.now() - timedelta(seconds=1))
        collect.reclaim(now=timezone.now())
    assert scrape()["audsync_lease_reclaims_total"] == 2


def test_connections_that_need_somebody(scrape, world, waiting):
    assert scrape()["audsync_attention{place=connection}"] == 0
    Connection.objects.update(token_sealed="")
    assert scrape()["audsync_attention{place=connection}"] == 1
    Sync.objects.update(is_live=False)
    assert scrape()["audsync_attention{place=connection}"] == 0
    AdAccount.objects.filter(pk=world.uk.pk).update(parked_by="ad_account")
    assert scrape()["audsync_attention{place=ad_account}"] == 1


def test_how_full_an_ad_account_is(scrape, world):
    AdAccount.objects.filter(pk=world.eu.pk).update(n_audiences=391)
    found = {name: n for name, n in scrape().items() if name.startswith("audsync_audiences{")}
    assert found == {
        f"audsync_audiences{{ad_account={world.eu.pk},remote_id={world.eu.remote_id}}}": 391
    }


def test_a_page_is_kept_for_some_seconds(scrape, waiting, monkeypatch):
    scrape()
    waiting.update(n=0)
    header = {"Authorization": f"Bearer {TOKEN}"}
    assert b"audsync_pending_people 3.0" in Client().get("/metrics", headers=header).content
    monkeypatch.setattr(metrics.kept, "page_until", 0.0)
    assert b"audsync_pending_people 0.0" in Client().get("/metrics", headers=header).content


def test_how_much_room_is_left(scrape, db):
    told = scrape()
    assert 0 < told["audsync_disk_free_ratio"] < 1
    assert ("audsync_sqlite_wal_bytes" in told) == (connection.vendor == "sqlite")
