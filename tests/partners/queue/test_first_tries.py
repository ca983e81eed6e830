"""Of the people of a call, those who were in no call before are noted, and how many were taken."""

import dataclasses

import pytest
from django.db.models import Sum
from django.utils import timezone

from partners.models import Batch, PushShare
from tiktok_sandbox.limits import DEFAULT

pytestmark = pytest.mark.thorough


def sent(world, n=5):
    world.enter(world.sync(), world.people(n))
    world.drain()
    sums = PushShare.objects.aggregate(Sum("first_people"), Sum("first_accepted"))
    return tuple(sums.values())


def test_all_are_taken_at_once(world):
    assert sent(world) == (5, 5)


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
    world.fault(kind, count=1, **details)
    assert sent(world) == (5, accepted)
    assert PushShare.objects.count() == (1 if accepted else 2)


def test_pieces_of_a_request_that_was_too_large_were_tried(world):
    tight = dataclasses.replace(DEFAULT, people_per_request=3, app_rate=None)
    world.sandbox.options = dataclasses.replace(world.sandbox.options, limits=tight)
    world.enter(world.sync(world.audience("beside")), world.people(2))  # in the same request
    assert sent(world) == (7, 0)
    assert PushShare.objects.exclude(is_failed=True).count() > 2


def test_people_who_only_waited_were_not_tried(world):
    world.enter(world.sync(), world.people(3))
    Batch.objects.update(first_failed_at=timezone.now())  # nothing could be sent
    assert sent(world) == (8, 8)


def test_people_of_a_worker_that_died_were_tried(world):
    world.enter(world.sync(), world.people(3))
    Batch.objects.update(crashes=1)
    assert sent(world) == (5, 5)
