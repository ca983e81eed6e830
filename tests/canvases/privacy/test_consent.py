"""A group's consent policy applies to adds, not to removals; a withdrawal can cause removals."""

import pytest
from django.urls import reverse
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.models import Profile, Withdrawal
from audiencesync.people.writing.identify import Identity, identify
from audiencesync.people.writing.upsert import upsert
from canvases import laws
from canvases.privacy import erase
from partners.models import Delivery

pytestmark = pytest.mark.thorough


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


@pytest.fixture
def policy(acme):
    """policy(consent_attribute="ads") -> the group with these settings."""

    def change_settings(**values):
        for name, value in values.items():
            setattr(acme, name, value)
        acme.save()
        return acme

    return change_settings


def update_profile(group, *, at="ann", **attributes):
    change = Change(external_id=at, fields={"email": f"{at}@example.org"}, attributes=attributes)
    upsert(group, [change], now=timezone.now())
    return Profile.objects.get(external_id=at)


@pytest.mark.parametrize(
    ("value", "consent"),
    [
        (True, True),
        ("YES", True),
        (1, True),
        (1.0, True),
        ("no", False),
        (False, False),
        (1.5, False),
        (["yes"], False),
    ],
)
def test_consent_is_read_from_the_attribute(policy, value, consent):
    assert update_profile(policy(consent_attribute="ads"), ads=value).ads_consent is consent


@pytest.mark.parametrize(("value", "consent"), [("yes", None), ("no", False)])
def test_deleting_the_attribute_ends_consent_and_keeps_a_withdrawal(policy, value, consent):
    group = policy(consent_attribute="ads")
    update_profile(group, ads=value)
    assert update_profile(group, ads=None).ads_consent is consent


def test_a_person_without_consent_is_not_added_but_removed(world, policy):
    ann = update_profile(policy(consent_attribute="ads"), ads="no")
    audience = world.create_audience()
    add, remove = world.create_sync(audience), world.create_sync(audience, "remove")
    world.enter(add, [ann])
    world.enter(remove, [ann])
    world.drain()
    assert world.counts(add) == {"entered": 1, "not_synced": 1}
    assert Delivery.objects.get(sync=add).reason == "no_consent"
    assert world.counts(remove) == {"entered": 1, "synced": 1}


@pytest.mark.parametrize(("required", "outcome"), [(True, "not_synced"), (False, "synced")])
def test_unknown_consent_is_no_consent_where_it_is_required(world, policy, required, outcome):
    ann = update_profile(policy(consent_required=required))
    world.app_group.refresh_from_db()
    add = world.create_sync()
    world.enter(add, [ann])
    world.drain()
    assert world.counts(add) == {"entered": 1, outcome: 1}


def test_a_stricter_policy_stops_pending_adds(world, policy):
    ann, add = update_profile(policy()), world.create_sync()
    world.enter(add, [ann])
    policy(consent_required=True)
    world.drain()
    assert world.counts(add) == {"entered": 1, "not_synced": 1}
    assert len(world.mappings()) == 0
    assert laws.broken(now=timezone.now()) == []


def test_a_withdrawal_cancels_pending_adds(world, policy):
    group = policy(consent_attribute="ads")
    ann, add = update_profile(group, ads="yes"), world.create_sync()
    world.enter(add, [ann])
    update_profile(group, ads="no")
    erase.beat()
    assert world.counts(add) == {"entered": 1, "cancelled": 1}
    assert Delivery.objects.get().reason == "no_consent"


@pytest.mark.parametrize(("removes", "members"), [(True, 0), (False, 1)])
def test_a_withdrawal_removes_from_audiences_if_the_group_chose_so(world, policy, removes, members):
    group = policy(remove_on_withdrawal=removes)
    ann, audience = update_profile(group), world.create_audience()
    world.enter(world.create_sync(audience), [ann])
    world.drain()
    upsert(group, [Change(external_id="ann", fields={"ads_consent": False})], now=timezone.now())
    erase.beat()
    world.drain()
    assert world.members(audience) == members
    assert not Withdrawal.objects.exists()
    assert laws.broken(now=timezone.now()) == []


@pytest.fixture
def anonymous(acme):
    """An anonymous profile with an e-mail address."""
    (pk,) = upsert(acme, [Change(email="v@example.org")], now=timezone.now()).profile_ids
    return Profile.objects.get(pk=pk)


def merge_into(group, anonymous, external_id):
    key = ("email", bytes(anonymous.email_sha256))
    assert identify(group, [Identity(key, external_id)], now=timezone.now()) == [None]


def test_a_withdrawal_removes_what_was_sent_of_the_anonymous_profile(world, policy, anonymous):
    group, audience = policy(remove_on_withdrawal=True), world.create_audience()
    world.enter(world.create_sync(audience), [anonymous])
    world.drain()
    update_profile(group)
    merge_into(group, anonymous, "ann")
    upsert(group, [Change(external_id="ann", fields={"ads_consent": False})], now=timezone.now())
    erase.beat()
    world.drain()
    assert world.members(audience) == 0
    assert laws.broken(now=timezone.now()) == []


def test_a_withdrawal_of_the_anonymous_profile_survives_the_merge(world, policy, anonymous):
    group, audience = policy(remove_on_withdrawal=True), world.create_audience()
    world.enter(world.create_sync(audience), [update_profile(group)])
    world.drain()
    upsert(
        group, [Change(profile_id=anonymous.pk, fields={"ads_consent": False})], now=timezone.now()
    )
    erase.beat()
    merge_into(group, anonymous, "ann")
    erase.beat()
    world.drain()
    assert world.members(audience) == 0


def test_consent_given_again_before_the_beat_removes_nothing(world, policy):
    group = policy(remove_on_withdrawal=True)
    ann, audience = update_profile(group), world.create_audience()
    world.enter(world.create_sync(audience), [ann])
    world.drain()
    for consent in (False, True):
        upsert(
            group, [Change(external_id="ann", fields={"ads_consent": consent})], now=timezone.now()
        )
    erase.beat()
    world.drain()
    assert world.members(audience) == 1


def test_changed_settings_are_applied_to_all_profiles(policy, signed_in, alice):
    ann, bert = (
        update_profile(policy(), plan="Gold"),
        update_profile(policy(), at="bert", plan="free"),
    )
    url = reverse("group_settings", args=["acme"])
    data = {"name": "Acme", "time_zone": "UTC", "phone_region": "DE", "hash_only": "on"}
    data |= {"consent_attribute": "plan", "consent_values": "gold, platinum", "sure": "1"}
    assert signed_in(alice).post(url, data).status_code == 302
    erase.beat()
    ann.refresh_from_db()
    bert.refresh_from_db()
    assert (ann.ads_consent, bert.ads_consent) == (True, False)
    assert (ann.email, bert.email) == ("", "")
    assert bytes(ann.email_sha256)


def test_a_withdrawal_survives_a_change_of_policy(policy, signed_in, alice):
    group = policy()
    upsert(group, [Change(external_id="ann", fields={"ads_consent": False})], now=timezone.now())
    update_profile(
        policy(consent_attribute="plan", consent_values=["gold"], rework_cursor=0), at="bert"
    )
    erase.beat()
    upsert(
        group,
        [Change(external_id="ann", fields={"ads_consent": True, "country": "DE"})],
        now=timezone.now(),
    )
    assert dict(Profile.objects.values_list("external_id", "ads_consent")) == {
        "ann": False,
        "bert": None,
    }
    assert update_profile(group, plan="gold").ads_consent is True


def test_a_policy_without_consent_values_is_rejected(policy, signed_in, alice):
    policy()
    data = {
        "name": "Acme",
        "time_zone": "UTC",
        "phone_region": "DE",
        "consent_attribute": "plan",
        "consent_values": " ,",
    }
    assert signed_in(alice).post(reverse("group_settings", args=["acme"]), data).status_code == 422
