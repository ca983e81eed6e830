"""/metrics reports lateness, pending and parked people, answers of partners and capacity."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from canvases import metrics
from partners.models import AdAccount, Batch, Connection, Push, Sync
from partners.queue import collect
from tests.support.scrape import TOKEN

pytestmark = pytest.mark.thorough
NOW = datetime(2031, 5, 6, 10, 7, tzinfo=UTC)


@pytest.fixture
def pending_batch(world):
    """The batch of three people before their first attempt."""
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    return Batch.objects.filter(sync=sync_row)


def test_without_a_token_in_the_settings_the_page_is_404(db, settings):
    settings.METRICS_TOKEN = ""
    for header in ({}, {"Authorization": "Bearer "}):
        assert Client().get("/metrics", headers=header).status_code == 404


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", "Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer é"]
)
def test_a_wrong_token_reads_nothing(scrape, given):
    """No `db` fixture: an unauthorised request reads no table."""
    answer = Client().get("/metrics", headers={"Authorization": given} if given else {})
    assert (answer.status_code, answer.content) == (401, b"")


def test_the_metrics_of_an_idle_installation(db, scrape):
    samples = scrape()
    assert samples["audsync_oldest_due_seconds"] == 0
    assert samples["audsync_pending_people"] == 0
    assert samples["audsync_lease_reclaims_total"] == 0
    assert "audsync_deadline_next_seconds" not in samples


@time_machine.travel(NOW, tick=False)
def test_pending_people_and_their_delay(scrape, pending_batch):
    pending_batch.update(due_at=NOW - timedelta(seconds=90))
    samples = scrape()
    assert samples["audsync_pending_people"] == 3
    assert samples["audsync_oldest_due_seconds"] == 90


@pytest.mark.parametrize(
    ("model", "change", "by"),
    [
        (Connection, {"parked_by": "token"}, "token"),
        (Connection, {"token_sealed": ""}, "disconnected"),
        (AdAccount, {"parked_by": "ad_account"}, "ad_account"),
        (AdAccount, {"is_chosen": False}, "ad_account_disconnected"),
        (Sync, {"paused": True}, "canvas_stopped"),
    ],
)
def test_parked_people_have_a_cause_and_are_not_late(scrape, pending_batch, model, change, by):
    pending_batch.update(due_at=timezone.now() - timedelta(seconds=90))
    parked = (
        {"parked_until": timezone.now() + timedelta(minutes=5)} if "parked_by" in change else {}
    )
    model.objects.update(**change, **parked)
    samples = scrape()
    assert {name: n for name, n in samples.items() if "parked" in name} == {
        f"audsync_parked_people{{by={by}}}": 3
    }
    assert samples["audsync_oldest_due_seconds"] == 0


def test_the_histogram_from_enqueue_to_synced(scrape, world, pending_batch):
    world.flush()
    now = timezone.now()
    pending_batch.update(created_at=now - timedelta(seconds=6), settled_at=now)
    samples = scrape()
    buckets = {name: n for name, n in samples.items() if "seconds_bucket" in name}
    assert len(buckets) == 10
    assert {name for name, n in buckets.items() if n == 0} == {
        f"audsync_enter_to_synced_seconds_bucket{{le={edge}.0}}" for edge in (1, 2, 5)
    }
    assert set(buckets.values()) == {0, 3}
    assert samples["audsync_enter_to_synced_seconds_sum"] == pytest.approx(18)
    pending_batch.update(settled_at=now - timedelta(hours=2))
    assert scrape()["audsync_enter_to_synced_seconds_count"] == 0


def test_answers_of_the_last_day_by_code(scrape, world, pending_batch):
    world.set_fault("code", code=50000, count=1)
    world.drain()
    old = Push.objects.first()
    Push.objects.create(
        ad_account=old.ad_account, people=1, ids=1, ms=1, code="0", at=old.at - timedelta(days=2)
    )
    samples = scrape()
    assert samples["audsync_requests_day{code=50000}"] == 1
    assert samples["audsync_requests_day{code=0}"] == 1


@time_machine.travel(NOW, tick=False)
def test_seconds_to_the_next_deadline(scrape, pending_batch):
    pending_batch.update(deadline_at=NOW + timedelta(minutes=30))
    assert scrape()["audsync_deadline_next_seconds"] == 1800


def test_reclaimed_leases_are_counted(scrape, pending_batch):
    for _time in range(2):
        pending_batch.update(lease="dead", lease_until=timezone.now() - timedelta(seconds=1))
        collect.reclaim(now=timezone.now())
    assert scrape()["audsync_lease_reclaims_total"] == 2


def test_connections_and_ad_accounts_that_need_attention(scrape, world, pending_batch):
    assert scrape()["audsync_attention{place=connection}"] == 0
    Connection.objects.update(token_sealed="")
    assert scrape()["audsync_attention{place=connection}"] == 1
    Sync.objects.update(is_live=False)
    assert scrape()["audsync_attention{place=connection}"] == 0
    AdAccount.objects.filter(pk=world.uk.pk).update(parked_by="ad_account")
    assert scrape()["audsync_attention{place=ad_account}"] == 1


def test_audiences_of_an_ad_account(scrape, world):
    AdAccount.objects.filter(pk=world.eu.pk).update(n_audiences=391)
    samples = {name: n for name, n in scrape().items() if name.startswith("audsync_audiences{")}
    assert samples == {
        f"audsync_audiences{{ad_account={world.eu.pk},remote_id={world.eu.remote_id}}}": 391
    }


def test_a_page_is_cached_for_some_seconds(scrape, pending_batch, monkeypatch):
    monkeypatch.setattr(metrics, "PAGE_SECONDS", 60.0)  # enough on a busy machine
    scrape()
    pending_batch.update(n=0)
    header = {"Authorization": f"Bearer {TOKEN}"}
    assert b"audsync_pending_people 3.0" in Client().get("/metrics", headers=header).content
    monkeypatch.setattr(metrics.cache, "page_until", 0.0)
    assert b"audsync_pending_people 0.0" in Client().get("/metrics", headers=header).content


def test_free_disk_space(scrape, db):
    samples = scrape()
    assert 0 < samples["audsync_disk_free_ratio"] < 1
    assert ("audsync_sqlite_wal_bytes" in samples) == (connection.vendor == "sqlite")
