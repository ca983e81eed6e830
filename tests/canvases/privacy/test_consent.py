"""The consent of a group is enforced for adds and never for removals; whoever withdraws it is taken out."""

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


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


@pytest.fixture
def policy(acme):
    """policy(consent_attribute="ads") -> the group with these settings."""

    def make(**values):
        for name, value in values.items():
            setattr(acme, name, value)
        acme.save()
        return acme

    return make


def tell(group, *, at="ann", **attributes):
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
def test_an_attribute_tells_consent(policy, value, consent):
    assert tell(policy(consent_attribute="ads"), ads=value).ads_consent is consent


@pytest.mark.parametrize(("value", "consent"), [("yes", None), ("no", False)])
def test_without_the_attribute_a_yes_is_over_and_a_refusal_stands(policy, value, consent):
    group = policy(consent_attribute="ads")
    tell(group, ads=value)
    assert tell(group, ads=None).ads_consent is consent


def test_who_refuses_is_not_added_but_removed(world, policy):
    ann = tell(policy(consent_attribute="ads"), ads="no")
    audience = world.audience()
    add, remove = world.sync(audience), world.sync(audience, "remove")
    world.enter(add, [ann])
    world.enter(remove, [ann])
    world.drain()
    assert world.counts(add) == {"entered": 1, "not_synced": 1}
    assert Delivery.objects.get(sync=add).reason == "no_consent"
    assert world.counts(remove) == {"entered": 1, "synced": 1}


@pytest.mark.parametrize(("required", "outcome"), [(True, "not_synced"), (False, "synced")])
def test_unknown_consent_counts_where_it_is_required(world, policy, required, outcome):
    ann = tell(policy(consent_required=required))
    world.app_group.refresh_from_db()
    add = world.sync()
    world.enter(add, [ann])
    world.drain()
    assert world.counts(add) == {"entered": 1, outcome: 1}


def test_a_policy_that_gets_stricter_stops_who_waits(world, policy):
    ann, add = tell(policy()), world.sync()
    world.enter(add, [ann])
    policy(consent_required=True)
    world.drain()
    assert world.counts(add) == {"entered": 1, "not_synced": 1}
    assert len(world.mappings()) == 0
    assert laws.broken(now=timezone.now()) == []


def test_withdrawn_consent_cancels_what_waits(world, policy):
    group = policy(consent_attribute="ads")
    ann, add = tell(group, ads="yes"), world.sync()
    world.enter(add, [ann])
    tell(group, ads="no")
    erase.beat()
    assert world.counts(add) == {"entered": 1, "cancelled": 1}
    assert Delivery.objects.get().reason == "no_consent"


@pytest.mark.parametrize(("leaves", "members"), [(True, 0), (False, 1)])
def test_who_withdraws_leaves_every_audience_where_the_group_says_so(
    world, policy, leaves, members
):
    group = policy(remove_on_withdrawal=leaves)
    ann, audience = tell(group), world.audience()
    world.enter(world.sync(audience), [ann])
    world.drain()
    upsert(group, [Change(external_id="ann", fields={"ads_consent": False})], now=timezone.now())
    erase.beat()
    world.drain()
    assert world.members(audience) == members
    assert not Withdrawal.objects.exists()
    assert laws.broken(now=timezone.now()) == []


@pytest.fixture
def visitor(acme):
    """Somebody whom nobody knows but by e-mail."""
    (pk,) = upsert(acme, [Change(email="v@example.org")], now=timezone.now()).profile_ids
    return Profile.objects.get(pk=pk)


def becomes(group, visitor, external_id):
    key = ("email", bytes(visitor.email_sha256))
    assert identify(group, [Identity(key, external_id)], now=timezone.now()) == [None]


def test_what_was_sent_of_them_as_a_visitor_is_removed_too(world, policy, visitor):
    group, audience = policy(remove_on_withdrawal=True), world.audience()
    world.enter(world.sync(audience), [visitor])
    world.drain()
    tell(group)
    becomes(group, visitor, "ann")
    upsert(group, [Change(external_id="ann", fields={"ads_consent": False})], now=timezone.now())
    erase.beat()
    world.drain()
    assert world.members(audience) == 0
    assert laws.broken(now=timezone.now()) == []


def test_a_refusal_that_they_told_as_a_visitor_is_a_withdrawal(world, policy, visitor):
    group, audience = policy(remove_on_withdrawal=True), world.audience()
    world.enter(world.sync(audience), [tell(group)])
    world.drain()
    upsert(
        group, [Change(profile_id=visitor.pk, fields={"ads_consent": False})], now=timezone.now()
    )
    erase.beat()
    becomes(group, visitor, "ann")
    erase.beat()
    world.drain()
    assert world.members(audience) == 0


def test_who_consents_again_meanwhile_stays(world, policy):
    group = policy(remove_on_withdrawal=True)
    ann, audience = tell(group), world.audience()
    world.enter(world.sync(audience), [ann])
    world.drain()
    for consent in (False, True):
        upsert(
            group, [Change(external_id="ann", fields={"ads_consent": consent})], now=timezone.now()
        )
    erase.beat()
    world.drain()
    assert world.members(audience) == 1


def test_changed_settings_fit_everybody(policy, signed_in, alice):
    ann, bert = tell(policy(), plan="Gold"), tell(policy(), at="bert", plan="free")
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


def test_a_refusal_outlives_a_policy_that_knows_nothing_of_it(policy, signed_in, alice):
    group = policy()
    upsert(group, [Change(external_id="ann", fields={"ads_consent": False})], now=timezone.now())
    tell(policy(consent_attribute="plan", consent_values=["gold"], rework_cursor=0), at="bert")
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
    assert tell(group, plan="gold").ads_consent is True


def test_an_attribute_without_a_yes_is_refused(policy, signed_in, alice):
    policy()
    data = {
        "name": "Acme",
        "time_zone": "UTC",
        "phone_region": "DE",
        "consent_attribute": "plan",
        "consent_values": " ,",
    }
    assert signed_in(alice).post(reverse("group_settings", args=["acme"]), data).status_code == 422
