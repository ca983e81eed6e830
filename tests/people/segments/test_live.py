"""Live segments: a person who joins or leaves is signalled once, whatever the cause."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from audiencesync.people.models import Event, Profile, Segment
from audiencesync.people.models.live import SegmentMember
from audiencesync.people.segments import edit, live
from tests.support import endless

AT = "2026-11-01T00:00:00Z"
NO_ORDER = {"event": "order", "op": "never", "days": 30}


def test_a_person_joins_and_leaves_by_an_attribute(api, person, listen):
    listener = listen()
    api.track(attributes=[{"external_id": "a", "plan": "gold"}, {"external_id": "b"}])
    assert listener.work() == [("joined", person("a").pk)]
    assert listener.members() == {person("a").pk}
    api.track(attributes=[{"external_id": "a", "plan": "free"}])
    assert listener.work() == [("left", person("a").pk)]
    assert listener.members() == set()


def test_the_first_members_cause_no_signal(make_profile, listen):
    gold_profile = make_profile(attributes={"plan": "gold"})
    listener = listen()
    assert (listener.work(), listener.members()) == ([], {gold_profile.pk})


def test_fill_inserts_a_part_of_the_people_once(acme, make_profile, gold_segment):
    first, second, _third = (make_profile(attributes={"plan": "gold"}) for _n in range(3))
    subscription = live.subscribe(
        acme, listener=1, role="entry", segment=gold_segment, now=timezone.now()
    )
    part = {"low": first.pk, "high": second.pk, "now": timezone.now()}
    assert [live.fill(subscription, **part), live.fill(subscription, **part)] == [1, 0]
    assert live.members(subscription).get() == second


def test_an_event_is_signalled_to_those_who_subscribed_to_it(api, person, listen):
    listener = listen(segment=None, kind="event", name="cart")
    api.track(
        events=[{"external_id": "a", "name": name, "time": AT} for name in ("cart", "other")],
        purchases=[
            {"external_id": "a", "product_id": "cart", "currency": "EUR", "price": 1, "time": AT}
        ],
    )
    assert listener.signals() == [("event", person("a").pk)]
    assert Event.objects.count() == 3


@pytest.mark.parametrize(("name", "n"), [("", 2), ("shoe", 1), ("hat", 0)])
def test_a_purchase_is_signalled_by_its_product_or_any(api, listen, name, n):
    listener = listen(segment=None, kind="purchase", name=name)
    one = {"external_id": "a", "currency": "EUR", "price": 1, "time": AT}
    api.track(purchases=[one | {"product_id": product} for product in ("shoe", "bag")])
    assert len(listener.signals()) == n


def test_people_join_and_leave_by_an_event_and_by_time(api, make_profile, gold_segment, listen):
    gold_segment.filter = NO_ORDER
    gold_segment.save()
    pk = make_profile(external_id="a").pk
    listener = listen()
    now = timezone.now()
    api.track(events=[{"external_id": "a", "name": "order", "time": now.isoformat()}])
    assert listener.work() == [("left", pk)]
    with time_machine.travel(now + timedelta(days=29, hours=23), tick=False):
        assert listener.work() == []
    with time_machine.travel(now + timedelta(days=30, minutes=16), tick=False):
        assert listener.work() == [("joined", pk)]


def test_an_edit_of_a_segment_lets_people_join_and_leave(make_profile, bob, gold_segment, listen):
    old, new = (make_profile(attributes={"plan": plan}).pk for plan in ("gold", "silver"))
    listener = listen()
    silver = {"field": "custom.plan", "op": "is", "value": "silver"}
    form = {"name": "gold", "description": "", "raw_filter": silver, "version": 1}
    assert live.difference(gold_segment, silver) == live.Difference(leave=1, join=1, total=1)
    edit.save(gold_segment, **form, by=bob, now=timezone.now())
    assert listener.work() == [("left", old), ("joined", new)]


def test_an_edit_of_an_inner_segment_moves_people_of_the_outer(
    acme, make_profile, bob, gold_segment, listen
):
    outer = Segment.objects.create(
        app_group=acme, name="outer", filter={"segment": str(gold_segment.api_id), "op": "not_in"}
    )
    old, new = (make_profile(attributes={"plan": plan}).pk for plan in ("gold", "silver"))
    listener = listen(segment=outer)
    silver = {"field": "custom.plan", "op": "is", "value": "silver"}
    form = {"name": "gold", "description": "", "raw_filter": silver, "version": 1}
    assert live.difference(gold_segment, silver) == live.Difference(leave=1, join=1, total=1)
    edit.save(gold_segment, **form, by=bob, now=timezone.now())
    assert listener.work() == [("joined", old), ("left", new)]


def test_the_difference_of_an_edit_is_unknown_when_it_takes_too_long(
    acme, gold_segment, listen, monkeypatch
):
    listen()
    Profile.objects.bulk_create(Profile(app_group=acme) for _n in range(50))
    assert live.difference(gold_segment, {}) == live.Difference(join=50)
    monkeypatch.setattr(live.live_changes, "counts", endless.run)
    assert live.difference(gold_segment, {}, seconds=0.0) is None


CHANGES = {
    "another e-mail": ({"email": "b@example.org"}, ["left", "joined"]),
    "no consent": ({"ads_consent": False}, ["left", "joined"]),
    "another phone": ({"phone": "+4915112345678"}, []),
    "another attribute": ({"city": "Berlin"}, []),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_member_is_refreshed_if_what_is_sent_changes(api, make_profile, listen, change):
    given, kinds = CHANGES[change]
    member = make_profile(
        external_id="a", email="a@example.org", ads_consent=True, attributes={"plan": "gold"}
    )
    listener = listen(kinds=["email"])
    api.track(attributes=[{"external_id": "a"} | given])
    assert listener.work() == [(kind, member.pk) for kind in kinds]
    assert listener.members() == {member.pk}


def test_what_cannot_be_sent_has_no_fingerprint(acme, make_profile, listen):
    acme.consent_required = True
    acme.save()
    gaid = {"gaid": "cdda802e-fb9c-47ad-9866-0794d394c912", "ads_consent": True}
    plan = {"attributes": {"plan": "gold"}}
    people = {
        "sendable": make_profile(**gaid, **plan, ad_tracking_enabled=True),
        "never asked": make_profile(**gaid | {"ads_consent": None}, **plan),
        "refused": make_profile(**gaid | {"ads_consent": False}, **plan),
        "not tracked": make_profile(**gaid, **plan, ad_tracking_enabled=False),
        "without": make_profile(ads_consent=True, **plan),
    }
    listen(kinds=["email", "gaid"])
    has = dict(SegmentMember.objects.values_list("profile", "fingerprint"))
    assert [name for name, one in people.items() if has[one.pk]] == ["sendable"]


def test_an_unreadable_segment_keeps_its_members(api, make_profile, gold_segment, listen):
    make_profile(external_id="a", attributes={"plan": "gold"})
    listener = listen()
    Segment.objects.filter(pk=gold_segment.pk).update(
        filter={"field": "gone", "op": "is", "value": "x"}
    )
    api.track(attributes=[{"external_id": "a", "plan": "free"}])
    live.segment_saved(gold_segment, timezone.now())
    assert (listener.work(), len(listener.members())) == ([], 1)
