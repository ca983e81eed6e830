"""Each answer costs a known number of requests at the sandbox until the queue is idle."""

import dataclasses
from pathlib import Path

import pytest
from django.conf import settings as conf
from django.utils import timezone

from partners import sync
from partners.models import AdAccount, Batch
from partners.queue import collect, settle
from partners.queue.push import pack, send
from tiktok_sandbox import params
from tiktok_sandbox.endpoints import segment
from tiktok_sandbox.limits import DEFAULT
from tiktok_sandbox.seed import EU

pytestmark = pytest.mark.thorough

ONE_AT_A_TIME = 5  # threads: a lane leaves four to other lanes (flush.FREE_THREADS)
DOC = Path(conf.BASE_DIR) / "docs" / "reliability.md"


@pytest.fixture(autouse=True)
def _one_request_at_a_time(world, settings):
    settings.SYNC = settings.SYNC | {"threads": ONE_AT_A_TIME}


def _enter(world, *sizes, names="abcdefghijk"):
    """Enqueue one sync per size, each to an audience of its own."""
    syncs = [world.create_sync(world.create_audience(name)) for name in names[: len(sizes)]]
    for one, n in zip(syncs, sizes, strict=True):
        world.enter(one, world.create_people(n))
    return syncs


def _poison(world, sync_row, index):
    person = Batch.objects.get(sync=sync_row).deliveries.order_by("pk")[index].profile
    world.set_fault("poison", hash=bytes(person.email_sha256).hex())


def _limit(world, people):
    limits = dataclasses.replace(DEFAULT, people_per_request=people, app_rate=None)
    world.sandbox.options = dataclasses.replace(world.sandbox.options, limits=limits)


def _once(kind, **details):
    """Return a scene with one request that gets this fault once."""

    def scene(world, _monkeypatch):
        _enter(world, 3)
        world.set_fault(kind, count=1, **details)

    return scene


def ten_audiences(world, _monkeypatch):
    _enter(world, *[3] * 10)


def eleven_audiences(world, _monkeypatch):
    _enter(world, *[3] * 11)


def deleted_audience(world, _monkeypatch):
    syncs = _enter(world, 3, 3, 3)
    world.sandbox.audiences.delete(syncs[1].audience.remote_id)


def rejected_ad_account(world, _monkeypatch):
    _enter(world, 3, 3, 3)
    world.sandbox.accounts.set_dropped(True, advertiser_id=world.eu.remote_id)


def rejected_token(world, _monkeypatch):
    _enter(world, 3, 3, 3)
    world.sandbox.accounts.revoke(world.remote_token)


def too_many(world, _monkeypatch):
    _enter(world, 100)
    _limit(world, 40)


def known_cap(world, _monkeypatch):
    _enter(world, 100)
    AdAccount.objects.update(learned_cap=25)
    _limit(world, 40)


def rejected_size(world, monkeypatch):
    def wrong(batch, limits):
        if batch.n_people > 300:
            raise params.wrong("batch_data", "is odd")

    monkeypatch.setattr(segment, "require_size", wrong)
    _enter(world, 1000)


def one_poison_row(world, _monkeypatch):
    [sync_row] = _enter(world, 1000)
    _poison(world, sync_row, 537)


def poison_row_and_other_audiences(world, _monkeypatch):
    bad, _good, _other = _enter(world, 8, 3, 3)
    _poison(world, bad, 3)


def two_poison_rows(world, _monkeypatch):
    [sync_row] = _enter(world, 1000)
    _poison(world, sync_row, 10)
    _poison(world, sync_row, 990)


def always_partial_unnamed(world, _monkeypatch):
    [sync_row] = _enter(world, 1000)
    person = Batch.objects.get(sync=sync_row).deliveries.order_by("pk")[537].profile
    world.set_fault("partial", hash=bytes(person.email_sha256).hex(), named=False)


def last_attempt(world, _monkeypatch):
    _enter(world, 3)
    now = timezone.now()
    Batch.objects.update(first_failed_at=now, deadline_at=now)
    world.set_fault("code", code=50000)


def superseded_add(world, _monkeypatch):
    [add] = _enter(world, 3)
    people = [delivery.profile for delivery in add.deliveries.all()]
    world.enter(world.create_sync(add.audience, "remove"), people[:1])


def _lease_request(world):
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    return pack(request, post_by=float("inf"), most_rows=10_000)


def discarded_in_flight(world, _monkeypatch):
    _enter(world, 3)
    parcel = _lease_request(world)
    sync.discard(ad_account=world.eu, now=timezone.now())
    settle.settle(send(parcel, at=0), now=timezone.now())


HALVING = {
    "rejected_size",
    "one_poison_row",
    "two_poison_rows",
    "poison_row_and_other_audiences",
    "always_partial_unnamed",
}
# Row of the table in docs/reliability.md -> (scene, number of requests).
ROWS = {
    "success: ten audiences in one request": (ten_audiences, 1),
    "success: an eleventh audience": (eleven_audiences, 2),
    "40100, throttled once": (_once("code", code=40100), 2),
    "40133, throttled once": (_once("throttle", advertiser_id=EU), 2),
    "HTTP 429 once": (_once("http_error", status=429), 2),
    "50000 once": (_once("code", code=50000), 2),
    "HTTP 502 once": (_once("http_error"), 2),
    "connection lost, nothing applied": (_once("drop"), 2),
    "connection lost after it was applied": (_once("apply_then_drop"), 2),
    "answer that is not JSON": (_once("not_json"), 2),
    "an unknown code, once": (_once("code", code=49999), 2),
    "token rejected: three audiences wait": (rejected_token, 1),
    "40001: the ad account is rejected, three audiences": (rejected_ad_account, 2),
    "40007: one of three audiences is gone": (deleted_audience, 4),
    "40061: at most 40 of 100 people, not known before": (too_many, 6),
    "the same with a known cap": (known_cap, 4),
    "40002: more than 300 of 1,000 are rejected, cap learned": (rejected_size, 25),
    "40002: one poison row of 1,000": (one_poison_row, 22),
    "40002: two poison rows of 1,000": (two_poison_rows, 44),
    "40002: one poison row of 8, two other audiences in the request": (
        poison_row_and_other_audiences,
        12,
    ),
    "20001, rejected rows named": (_once("partial", rows=[1], named=True), 1),
    "20001, not named, once": (_once("partial", rows=[1], named=False), 2),
    "20001, not named, always for one person of 1,000": (always_partial_unnamed, 22),
    "50000 at the deadline": (last_attempt, 1),
    "a removal supersedes a pending add": (superseded_add, 2),
    "discarded in flight, and applied": (discarded_in_flight, 2),
}
# Rows of which the number varies: second halves share a request if they are due together.
HALVED = {row for row, (scene, _n) in ROWS.items() if scene.__name__ in HALVING}


@pytest.mark.parametrize("row", ROWS)
def test_an_answer_costs_this_many_requests(world, monkeypatch, settings, row):
    scene, cost = ROWS[row]
    settings.SYNC = settings.SYNC | {"probe": 600.0}  # no probe is sent during the test
    scene(world, monkeypatch)
    for _ in range(60):
        world.flush(seconds=2)
        if not Batch.objects.due(timezone.now()).exists() and not _has_backoff():
            break
    n = len(world.mappings())
    assert 1 < n <= cost if row in HALVED else n == cost


def _has_backoff():
    """Return whether a pending batch waits for its back-off and is not parked."""
    not_parked = {
        "ad_account__connection__parked_by": "",
        "ad_account__parked_by": "",
        "audience__parked_by": "",
    }
    return Batch.objects.filter(state="pending", **not_parked).exists()


@pytest.mark.parametrize("row", ROWS)
def test_the_reliability_page_names_the_same_number(row):
    at_most = "at most " if row in HALVED else ""
    assert f"| {row} | {at_most}{ROWS[row][1]} |" in DOC.read_text()
