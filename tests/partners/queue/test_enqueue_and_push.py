"""Enqueued people reach the audience and are counted exactly."""

import pytest

from partners.models import Batch, Delivery, Push, PushShare

pytestmark = pytest.mark.thorough


def test_people_arrive_at_the_audience(world):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(7))
    world.flush()
    assert world.counts(sync_row) == {"entered": 7, "synced": 7}
    assert world.members(sync_row.audience) == 7


def test_enqueue_is_idempotent(world):
    sync_row, people = world.create_sync(), world.create_people(5)
    assert world.enter(sync_row, people) == 5
    assert world.enter(sync_row, people) == 0
    world.flush()
    assert world.counts(sync_row) == {"entered": 5, "synced": 5}
    assert Batch.objects.count() == 1


def test_unsendable_people_are_not_synced_and_keep_their_reason(world):
    sync_row = world.create_sync(kinds=("email", "gaid"))
    world.enter(sync_row, world.create_people(1, email_sha256=None))
    world.enter(sync_row, world.create_people(1, email_sha256=None, invalid_kinds=1))
    world.enter(sync_row, world.create_people(1, ads_consent=False))
    world.enter(
        sync_row,
        world.create_people(1, email_sha256=None, gaid_sha256=bytes(32), ad_tracking_enabled=False),
    )
    world.enter(sync_row, world.create_people(1))
    world.flush()
    assert world.counts(sync_row) == {"entered": 5, "not_synced": 4, "synced": 1}
    reasons = (
        Delivery.objects.filter(outcome="not_synced")
        .order_by("pk")
        .values_list("reason", flat=True)
    )
    assert list(reasons) == ["no_identifier", "invalid_value", "no_consent", "ad_tracking_off"]


def test_identifiers_of_one_person_share_a_row(world):
    sync_row = world.create_sync(kinds=("email", "phone", "idfa"))
    world.enter(
        sync_row,
        world.create_people(2, phone_sha256=bytes(range(32)))
        + world.create_people(1, idfa_sha256=b"i" * 32),
    )
    world.flush()
    [line] = world.mappings()
    assert (line.people, line.ids) == (3, 6)


def test_audiences_of_one_ad_account_share_a_request(world):
    syncs = [world.create_sync(world.create_audience(f"a{i}")) for i in range(12)]
    for sync_row in syncs:
        world.enter(sync_row, world.create_people(3))
    world.flush()
    assert sorted(len(line.audiences) for line in world.mappings()) == [2, 10]
    assert all(world.members(sync_row.audience) == 3 for sync_row in syncs)


def test_a_removal_removes_the_added_people(world):
    audience, people = world.create_audience(), world.create_people(6)
    add, remove = world.create_sync(audience), world.create_sync(audience, "remove")
    world.enter(add, people)
    world.flush()
    world.enter(remove, people[:4])
    world.flush()
    assert world.members(audience) == 2
    assert world.counts(remove) == {"entered": 4, "synced": 4}


def test_a_removal_sends_past_hashes(world):
    audience = world.create_audience()
    add, remove = world.create_sync(audience), world.create_sync(audience, "remove")
    [person] = world.create_people(1)
    world.enter(add, [person])
    world.flush()
    person.past_identifiers.create(kind="email", sha256=person.email_sha256)
    person.email_sha256 = b"n" * 32
    person.save()
    world.enter(remove, [person])
    world.flush()
    assert world.members(audience) == 0


def test_a_removal_supersedes_a_pending_add(world):
    audience, people = world.create_audience(), world.create_people(5)
    add, remove = world.create_sync(audience), world.create_sync(audience, "remove")
    world.enter(add, people)
    world.enter(remove, people[:2])
    world.drain()
    assert world.counts(add) == {"entered": 5, "cancelled": 2, "synced": 3}
    assert world.members(audience) == 3


def test_a_push_row_holds_no_identifiers(world):
    sync_row, people = world.create_sync(), world.create_people(4)
    world.enter(sync_row, people)
    world.flush()
    push = Push.objects.get()
    assert (push.code, push.people, push.ids, push.action) == ("0", 4, 4, "add")
    stored = str(Push.objects.values().get())
    for person in people:
        assert person.email_sha256.hex() not in stored
        assert repr(person.email_sha256) not in stored


def test_a_call_is_shared_by_the_syncs_whose_people_it_carries(world):
    audience = world.create_audience()
    syncs = [world.create_sync(audience), world.create_sync(audience), world.create_sync(audience)]
    for to_sync, n in zip(syncs[:2], (3, 2), strict=True):
        world.enter(to_sync, world.create_people(n))
    world.flush()

    assert Push.objects.get().people == 5
    shares = PushShare.objects.order_by("sync").values_list("sync", "people")
    assert list(shares) == [(syncs[0].pk, 3), (syncs[1].pk, 2)]


def test_people_who_became_unsendable_are_left_out(world):
    sync_row, people = world.create_sync(), world.create_people(5)
    world.enter(sync_row, people)
    people[0].delete()
    people[1].email_sha256 = None
    people[1].save()
    world.drain()
    assert world.counts(sync_row) == {"entered": 5, "cancelled": 1, "not_synced": 1, "synced": 3}
    assert world.members(sync_row.audience) == 3
