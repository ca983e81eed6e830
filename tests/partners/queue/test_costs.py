"""What each answer costs: the number of requests at the sandbox until all is quiet, one after the other."""

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

ONE_AT_A_TIME = 5  # threads: four are kept for planning
DOC = Path(conf.BASE_DIR) / "docs" / "reliability.md"


@pytest.fixture(autouse=True)
def _in_line(world, settings):
    settings.SYNC = settings.SYNC | {"threads": ONE_AT_A_TIME}


def _enter(world, *sizes, names="abcdefghijk"):
    """So many people for one audience each."""
    asked = [world.sync(world.audience(name)) for name in names[: len(sizes)]]
    for one, n in zip(asked, sizes, strict=True):
        world.enter(one, world.people(n))
    return asked


def _poison(world, asked, place):
    person = Batch.objects.get(sync=asked).deliveries.order_by("pk")[place].profile
    world.fault("poison", hash=bytes(person.email_sha256).hex())


def _limit(world, people):
    limits = dataclasses.replace(DEFAULT, people_per_request=people, app_rate=None)
    world.sandbox.options = dataclasses.replace(world.sandbox.options, limits=limits)


def _once(kind, **details):
    def scene(world, _monkeypatch):
        _enter(world, 3)
        world.fault(kind, count=1, **details)

    return scene


def taken(world, _monkeypatch):
    _enter(world, *[3] * 10)


def eleven(world, _monkeypatch):
    _enter(world, *[3] * 11)


def gone(world, _monkeypatch):
    asked = _enter(world, 3, 3, 3)
    world.sandbox.audiences.delete(asked[1].audience.remote_id)


def forbidden(world, _monkeypatch):
    _enter(world, 3, 3, 3)
    world.sandbox.accounts.set_dropped(True, advertiser_id=world.eu.remote_id)


def token(world, _monkeypatch):
    _enter(world, 3, 3, 3)
    world.sandbox.accounts.revoke(world.remote_token)


def too_many(world, _monkeypatch):
    _enter(world, 100)
    _limit(world, 40)


def known_cap(world, _monkeypatch):
    _enter(world, 100)
    AdAccount.objects.update(learned_cap=25)
    _limit(world, 40)


def odd_size(world, monkeypatch):
    def wrong(batch, limits):
        if batch.people > 300:
            raise params.wrong("batch_data", "is odd")

    monkeypatch.setattr(segment, "require_size", wrong)
    _enter(world, 1000)


def poison(world, _monkeypatch):
    [asked] = _enter(world, 1000)
    _poison(world, asked, 537)


def poison_beside_others(world, _monkeypatch):
    bad, _good, _other = _enter(world, 8, 3, 3)
    _poison(world, bad, 3)


def two_poisons(world, _monkeypatch):
    [asked] = _enter(world, 1000)
    _poison(world, asked, 10)
    _poison(world, asked, 990)


def partial_unnamed_for_ever(world, _monkeypatch):
    [asked] = _enter(world, 1000)
    person = Batch.objects.get(sync=asked).deliveries.order_by("pk")[537].profile
    world.fault("partial", hash=bytes(person.email_sha256).hex(), named=False)


def last_try(world, _monkeypatch):
    _enter(world, 3)
    now = timezone.now()
    Batch.objects.update(first_failed_at=now, deadline_at=now)
    world.fault("code", code=50000)


def opposite(world, _monkeypatch):
    [add] = _enter(world, 3)
    people = [delivery.profile for delivery in add.deliveries.all()]
    world.enter(world.sync(add.audience, "remove"), people[:1])


def _leased(world):
    [request] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(request, now=timezone.now())
    return pack(request, post_by=float("inf"), most_rows=10_000)


def discarded(world, _monkeypatch):
    _enter(world, 3)
    parcel = _leased(world)
    sync.discard(ad_account=world.eu, now=timezone.now())
    settle.settle(send(parcel, at=0), now=timezone.now())


HALVING = {"odd_size", "poison", "two_poisons", "poison_beside_others", "partial_unnamed_for_ever"}
ROWS = {
    "success: ten audiences in one request": (taken, 1),
    "success: an eleventh audience": (eleven, 2),
    "40100, throttled once": (_once("code", code=40100), 2),
    "40133, throttled once": (_once("throttle", advertiser_id=EU), 2),
    "HTTP 429 once": (_once("http_error", status=429), 2),
    "50000 once": (_once("code", code=50000), 2),
    "HTTP 502 once": (_once("http_error"), 2),
    "connection lost, nothing applied": (_once("drop"), 2),
    "connection lost after it was applied": (_once("apply_then_drop"), 2),
    "answer that is not JSON": (_once("not_json"), 2),
    "a code nobody knows, once": (_once("code", code=49999), 2),
    "token refused: three audiences wait": (token, 1),
    "40001: the ad account is refused, three audiences": (forbidden, 2),
    "40007: one of three audiences is gone": (gone, 4),
    "40061: at most 40 of 100 people, not known before": (too_many, 6),
    "the same, the cap being known": (known_cap, 4),
    "40002: more than 300 of 1,000 are refused, cap learned": (odd_size, 25),
    "40002: one poisonous person of 1,000": (poison, 22),
    "40002: two poisonous people of 1,000": (two_poisons, 44),
    "40002: one poisonous person of 8, two other audiences beside": (poison_beside_others, 12),
    "20001, refused rows named": (_once("partial", rows=[1], named=True), 1),
    "20001, not named, once": (_once("partial", rows=[1], named=False), 2),
    "20001, not named, for one person of 1,000 for ever": (partial_unnamed_for_ever, 22),
    "50000 at the deadline": (last_try, 1),
    "a removal overtakes an add that waits": (opposite, 2),
    "discarded while under way, and applied": (discarded, 2),
}
HALVED = {row for row, (scene, _n) in ROWS.items() if scene.__name__ in HALVING}
"""Second halves travel together or not, as they fall due."""


@pytest.mark.parametrize("row", ROWS)
def test_cost(world, monkeypatch, settings, row):
    scene, cost = ROWS[row]
    settings.SYNC = settings.SYNC | {"probe": 600.0}
    scene(world, monkeypatch)
    for _ in range(60):
        world.flush(seconds=2)
        if not collect.due(now=timezone.now()).exists() and not _comes_back():
            break
    n = len(world.mappings())
    assert n <= cost if row in HALVED else n == cost


def _comes_back():
    """Somebody waits for a back-off, and not behind a parked way."""
    free = {
        "ad_account__connection__parked_by": "",
        "ad_account__parked_by": "",
        "audience__parked_by": "",
    }
    return Batch.objects.filter(state="pending", **free).exists()


@pytest.mark.parametrize("row", ROWS)
def test_the_page_says_so(row):
    most = "at most " if row in HALVED else ""
    assert f"| {row} | {most}{ROWS[row][1]} |" in DOC.read_text()
