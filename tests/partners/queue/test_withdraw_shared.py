"""When one of two people with the same e-mail leaves, the other one stays in the audience."""

import pytest
from django.db import transaction
from django.utils import timezone

from audiencesync.people.models import PastIdentifier
from canvases import laws
from partners import sync
from partners.models import Delivery, Sync
from tests.support.queue_world import sha256

pytestmark = pytest.mark.thorough

FAMILY = sha256("family@example.org")


@pytest.fixture
def leave(world):
    """leave(sync, person): remove the person again, send it. Return the counts of removals."""

    def withdraw(one, person):
        with transaction.atomic():
            sync.withdraw(one, [person.pk], now=timezone.now())
        world.drain()
        assert laws.broken(now=timezone.now()) == []
        return world.counts(Sync.objects.get(undoes=one))

    return withdraw


def enter(world, *people, kinds=("email", "phone")):
    one = world.sync(kinds=kinds)
    world.enter(one, people)
    world.drain()
    return one


def test_a_shared_identifier_leaves_with_the_last_person(world, leave):
    ann, bert = world.people(2, email_sha256=FAMILY)
    one = enter(world, ann, bert)
    assert leave(one, ann) == {"entered": 1, "not_synced": 1}
    assert Delivery.objects.get(sync__undoes=one).reason == "wanted_elsewhere"
    assert world.members(one.audience) == 1
    assert leave(one, bert) == {"entered": 2, "not_synced": 1, "synced": 1}
    assert world.members(one.audience) == 0


def test_all_other_identifiers_leave(world, leave):
    [ann] = world.people(1, phone_sha256=sha256("ann's"))
    [bert] = world.people(1, email_sha256=FAMILY)
    one = enter(world, ann, bert)
    PastIdentifier.objects.create(profile=ann, kind="email", sha256=ann.email_sha256)
    type(ann).objects.filter(pk=ann.pk).update(email_sha256=FAMILY)
    assert leave(one, ann) == {"entered": 1, "synced": 1}
    listed = world.sandbox.audiences.listed(one.audience.remote_id)
    assert [digest for _schema, digest in listed] == [FAMILY.hex()]


def test_a_past_identifier_of_another_member_stays(world, leave):
    [ann], [bert] = world.people(1), world.people(1, email_sha256=FAMILY)
    PastIdentifier.objects.create(profile=ann, kind="email", sha256=FAMILY)
    one = enter(world, ann, bert)
    assert leave(one, ann) == {"entered": 1, "synced": 1}
    assert world.members(one.audience) == 1


@pytest.mark.parametrize("why", ["by phone only", "elsewhere", "removed since", "without consent"])
def test_a_person_who_is_not_there_by_it_keeps_no_identifier(world, leave, why):
    [ann] = world.people(1, email_sha256=FAMILY)
    [bert] = world.people(1, email_sha256=FAMILY, phone_sha256=sha256("bert's"))
    one = world.sync()
    if why == "by phone only":
        world.enter(world.sync(one.audience, kinds=("phone",)), [bert])
    elif why == "elsewhere":
        world.enter(world.sync(), [bert])
    elif why == "removed since":
        world.enter(one, [bert])
        world.drain()
        world.enter(world.sync(one.audience, "remove"), [bert])
    else:
        type(bert).objects.filter(pk=bert.pk).update(ads_consent=False)
        world.enter(one, [bert])
    world.drain()
    world.enter(one, [ann])
    world.drain()
    assert leave(one, ann) == {"entered": 1, "synced": 1}
