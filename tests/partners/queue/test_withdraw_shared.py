"""When one of two people with the same e-mail leaves, the other one stays in the audience."""

import pytest
from django.db import transaction
from django.utils import timezone

from audiencesync.people.models import PastIdentifier, Profile
from canvases import laws
from partners import sync
from partners.models import Delivery, Sync
from tests.support.queue_world import sha256

pytestmark = pytest.mark.thorough

FAMILY = sha256("family@example.org")


@pytest.fixture
def leave(world):
    """leave(sync, person): remove the person again, send it. Return the counts of removals."""

    def remove_again(to_sync, person):
        with transaction.atomic():
            sync.withdraw(to_sync, [person.pk], now=timezone.now())
        world.drain()
        assert laws.broken(now=timezone.now()) == []
        return world.counts(Sync.objects.get(undoes=to_sync))

    return remove_again


def enter(world, *people, kinds=("email", "phone")):
    to_sync = world.create_sync(kinds=kinds)
    world.enter(to_sync, people)
    world.drain()
    return to_sync


def test_a_shared_identifier_leaves_with_the_last_person(world, leave):
    ann, bert = world.create_people(2, email_sha256=FAMILY)
    to_sync = enter(world, ann, bert)
    assert leave(to_sync, ann) == {"entered": 1, "not_synced": 1}
    assert Delivery.objects.get(sync__undoes=to_sync).reason == "wanted_elsewhere"
    assert world.members(to_sync.audience) == 1
    assert leave(to_sync, bert) == {"entered": 2, "not_synced": 1, "synced": 1}
    assert world.members(to_sync.audience) == 0


def test_all_other_identifiers_leave(world, leave):
    [ann] = world.create_people(1, phone_sha256=sha256("ann's"))
    [bert] = world.create_people(1, email_sha256=FAMILY)
    to_sync = enter(world, ann, bert)
    PastIdentifier.objects.create(profile=ann, kind="email", sha256=ann.email_sha256)
    Profile.objects.filter(pk=ann.pk).update(email_sha256=FAMILY)
    assert leave(to_sync, ann) == {"entered": 1, "synced": 1}
    listed = world.sandbox.audiences.member_ids(to_sync.audience.remote_id)
    assert [digest for _schema, digest in listed] == [FAMILY.hex()]


def test_a_past_identifier_of_another_member_stays(world, leave):
    [ann], [bert] = world.create_people(1), world.create_people(1, email_sha256=FAMILY)
    PastIdentifier.objects.create(profile=ann, kind="email", sha256=FAMILY)
    to_sync = enter(world, ann, bert)
    assert leave(to_sync, ann) == {"entered": 1, "synced": 1}
    assert world.members(to_sync.audience) == 1


@pytest.mark.parametrize("why", ["by phone only", "elsewhere", "removed since", "without consent"])
def test_an_identifier_is_kept_only_for_a_person_who_is_in_the_audience_by_it(world, leave, why):
    [ann] = world.create_people(1, email_sha256=FAMILY)
    [bert] = world.create_people(1, email_sha256=FAMILY, phone_sha256=sha256("bert's"))
    to_sync = world.create_sync()
    if why == "by phone only":
        world.enter(world.create_sync(to_sync.audience, kinds=("phone",)), [bert])
    elif why == "elsewhere":
        world.enter(world.create_sync(), [bert])
    elif why == "removed since":
        world.enter(to_sync, [bert])
        world.drain()
        world.enter(world.create_sync(to_sync.audience, "remove"), [bert])
    else:
        Profile.objects.filter(pk=bert.pk).update(ads_consent=False)
        world.enter(to_sync, [bert])
    world.drain()
    world.enter(to_sync, [ann])
    world.drain()
    assert leave(to_sync, ann) == {"entered": 1, "synced": 1}
