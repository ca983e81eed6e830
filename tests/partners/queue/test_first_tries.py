"""Each call records its people who were in no earlier call, and how many of them were accepted."""

import dataclasses

import pytest
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from partners import sync
from partners.models import Batch, PushShare
from partners.queue import move
from tiktok_sandbox.limits import DEFAULT

pytestmark = pytest.mark.thorough


def first_try_sums():
    """Return (people in their first call, how many of them were accepted)."""
    totals = PushShare.objects.aggregate(Sum("first_people"), Sum("first_accepted"))
    return tuple(totals.values())


def send_people(world, n=5):
    world.enter(world.create_sync(), world.create_people(n))
    world.drain()
    return first_try_sums()


def test_all_people_are_accepted_at_the_first_try(world):
    assert send_people(world) == (5, 5)


@pytest.mark.parametrize(
    ("kind", "details", "accepted"),
    [
        ("partial", {"rows": [1, 3], "named": True}, 3),
        ("partial", {"rows": [1], "named": False}, 0),
        ("code", {"code": 50000}, 0),
        ("code", {"code": 40002}, 0),
        ("throttle", {}, 0),
        ("drop", {}, 0),
    ],
)
def test_people_count_once_however_often_they_are_sent(world, kind, details, accepted):
    world.set_fault(kind, count=1, **details)
    assert send_people(world) == (5, accepted)
    assert PushShare.objects.count() == (1 if accepted else 2)


def test_pieces_of_a_request_that_was_too_large_were_tried(world):
    tight = dataclasses.replace(DEFAULT, people_per_request=3, app_rate=None)
    world.sandbox.options = dataclasses.replace(world.sandbox.options, limits=tight)
    world.enter(
        world.create_sync(world.create_audience("beside")), world.create_people(2)
    )  # in the same request
    assert send_people(world) == (7, 0)
    assert PushShare.objects.exclude(is_failed=True).count() > 2


def test_people_who_only_waited_were_not_tried(world):
    world.enter(world.create_sync(), world.create_people(3))
    Batch.objects.update(first_failed_at=timezone.now())  # nothing could be sent
    assert send_people(world) == (8, 8)


def test_people_of_a_worker_that_died_were_tried(world):
    world.enter(world.create_sync(), world.create_people(3))
    Batch.objects.update(crashes=1)  # these three may have been sent
    assert send_people(world) == (5, 5)


@pytest.mark.parametrize("is_moved", [False, True])
@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4], [1, 3]])
def test_people_who_were_errored_and_are_tried_again_do_not_count_again(world, rows, is_moved):
    world.set_fault("partial", count=1, rows=rows, named=True)
    former = world.create_sync()
    world.enter(former, world.create_people(5))
    world.drain()
    current = world.create_sync(world.create_audience("new")) if is_moved else former
    assert sync.retry_errored(former, to=current, now=timezone.now()) == len(rows)
    world.drain()
    assert world.members(current.audience) == (len(rows) if is_moved else 5)
    assert first_try_sums() == (5, 5 - len(rows))


@pytest.mark.parametrize(("code", "counted"), [("", (5, 5)), ("50000", (0, 0))])
def test_people_who_wait_and_are_moved_count_unless_they_were_tried(world, code, counted):
    former, current = world.create_sync(), world.create_sync(world.create_audience("new"))
    world.enter(former, world.create_people(5))
    Batch.objects.update(last_code=code)
    with transaction.atomic():
        move.move([former], to=current)
    move.move_marked(now=timezone.now())
    world.drain()
    assert world.members(current.audience) == 5
    assert first_try_sums() == counted
