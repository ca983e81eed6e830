"""People enter a Sync and arrive at TikTok, counted exactly."""

from partners.models import Batch, Delivery, Push


def test_people_arrive_at_the_audience(world):
    asked = world.sync()
    world.enter(asked, world.people(7))
    world.flush()
    assert world.counts(asked) == {"entered": 7, "synced": 7}
    assert world.members(asked.audience) == 7


def test_entering_again_changes_nothing(world):
    asked, people = world.sync(), world.people(5)
    assert world.enter(asked, people) == 5
    assert world.enter(asked, people) == 0
    world.flush()
    assert world.counts(asked) == {"entered": 5, "synced": 5}
    assert Batch.objects.count() == 1


def test_who_can_never_be_sent_is_told_why(world):
    asked = world.sync(kinds=("email", "gaid"))
    world.people(1)
    world.enter(asked, world.people(1, email_sha256=None))
    world.enter(asked, world.people(1, email_sha256=None, invalid_kinds=1))
    world.enter(asked, world.people(1, ads_consent=False))
    world.enter(
        asked, world.people(1, email_sha256=None, gaid_sha256=bytes(32), ad_tracking_enabled=False)
    )
    world.enter(asked, world.people(1))
    world.flush()
    assert world.counts(asked) == {"entered": 5, "not_synced": 4, "synced": 1}
    reasons = (
        Delivery.objects.filter(outcome="not_synced")
        .order_by("pk")
        .values_list("reason", flat=True)
    )
    assert list(reasons) == ["no_identifier", "invalid_value", "no_consent", "ad_tracking_off"]


def test_several_identifiers_travel_in_one_row(world):
    asked = world.sync(kinds=("email", "phone", "idfa"))
    world.enter(
        asked,
        world.people(2, phone_sha256=bytes(range(32))) + world.people(1, idfa_sha256=b"i" * 32),
    )
    world.flush()
    [line] = world.mappings()
    assert (line.people, line.ids) == (3, 6)


def test_audiences_of_one_account_share_a_request(world):
    syncs = [world.sync(world.audience(f"a{i}")) for i in range(12)]
    for asked in syncs:
        world.enter(asked, world.people(3))
    world.flush()
    assert sorted(len(line.audiences) for line in world.mappings()) == [2, 10]
    assert all(world.members(asked.audience) == 3 for asked in syncs)


def test_removal_reaches_the_same_people(world):
    audience, people = world.audience(), world.people(6)
    add, remove = world.sync(audience), world.sync(audience, "remove")
    world.enter(add, people)
    world.flush()
    world.enter(remove, people[:4])
    world.flush()
    assert world.members(audience) == 2
    assert world.counts(remove) == {"entered": 4, "synced": 4}


def test_a_removal_sends_every_hash_ever_sent(world):
    audience = world.audience()
    add, remove = world.sync(audience), world.sync(audience, "remove")
    [person] = world.people(1)
    world.enter(add, [person])
    world.flush()
    person.past_identifiers.create(kind="email", sha256=person.email_sha256)
    person.email_sha256 = b"n" * 32
    person.save()
    world.enter(remove, [person])
    world.flush()
    assert world.members(audience) == 0


def test_the_last_wish_wins(world):
    audience, people = world.audience(), world.people(5)
    add, remove = world.sync(audience), world.sync(audience, "remove")
    world.enter(add, people)
    world.enter(remove, people[:2])
    world.drain()
    assert world.counts(add) == {"entered": 5, "cancelled": 2, "synced": 3}
    assert world.members(audience) == 3


def test_a_call_leaves_a_row_without_identifiers(world):
    asked = world.sync()
    world.enter(asked, world.people(4))
    world.flush()
    push = Push.objects.get()
    assert (push.code, push.people, push.ids, push.action) == ("0", 4, 4, "add")


def test_the_erased_and_the_stripped_are_left_out(world):
    asked, people = world.sync(), world.people(5)
    world.enter(asked, people)
    people[0].delete()
    people[1].email_sha256 = None
    people[1].save()
    world.drain()
    assert world.counts(asked) == {"entered": 5, "cancelled": 1, "not_synced": 1, "synced": 3}
    assert world.members(asked.audience) == 3
