"""Every writer marks its profiles, so that they join and leave live segments."""

import pytest
from django.utils import timezone

from audiencesync.people.demo import people as demo
from audiencesync.people.models import Profile, UserAlias
from audiencesync.people.models.live import ChangedProfile, SegmentMember, Signal
from audiencesync.people.segments import live
from audiencesync.people.writing import live_marks, rework
from canvases.privacy import erase
from tests.support.import_pages import run_imports

pytestmark = pytest.mark.thorough
LEAD = {"alias_label": "lead", "alias_name": "L1"}


@pytest.fixture
def call(api):
    """call(path, body): a call that succeeds."""

    def post(path, body):
        assert api.post(path, body).status_code == 201

    return post


@pytest.fixture
def visitor(api, listen):
    """Return an anonymous person with the plan "gold", and a listener of the segment."""
    api.track(attributes=[{"user_alias": LEAD, "plan": "gold", "_update_existing_only": False}])
    return UserAlias.objects.get().profile, listen()


def identify(call, name):
    call(
        "/users/identify",
        {"aliases_to_identify": [{"external_id": name, "user_alias": LEAD}]},
    )


def test_a_group_without_subscriptions_costs_one_query(api, django_assert_num_queries, acme):
    with django_assert_num_queries(1):
        live_marks.note(acme.pk, [1, 2, 3])
    assert not ChangedProfile.objects.exists()


def test_an_unchanged_profile_is_not_marked(api, listen):
    listen()
    for _again in range(2):
        api.track(attributes=[{"external_id": "a", "plan": "gold"}])
    assert ChangedProfile.objects.count() == 1


def test_a_new_anonymous_profile_joins(call, gold_segment, listen):
    gold_segment.filter = {"field": "country", "op": "missing"}
    gold_segment.save()
    listener = listen()
    call("/users/alias/new", {"user_aliases": [LEAD]})
    assert listener.work() == [("joined", Profile.objects.get().pk)]


def test_a_profile_that_gets_an_external_id_joins(api, call, gold_segment, listen):
    gold_segment.filter = {"field": "external_id", "op": "is", "value": "a"}
    gold_segment.save()
    listener = listen()
    api.track(attributes=[{"user_alias": LEAD, "_update_existing_only": False}])
    identify(call, "a")
    assert [kind for kind, _pk in listener.work()] == ["joined"]


def test_a_merged_person_takes_the_place_of_the_visitor(api, call, visitor, person):
    profile, listener = visitor
    api.track(attributes=[{"external_id": "a"}])
    identify(call, "a")
    assert (listener.work(), listener.members()) == ([], {person("a").pk})
    assert not SegmentMember.objects.filter(profile=profile).exists()


def test_a_merged_person_who_does_not_match_leaves(api, call, visitor, person):
    _profile, listener = visitor
    api.track(attributes=[{"external_id": "a", "plan": "free"}])
    identify(call, "a")
    assert (listener.work(), listener.members()) == ([("left", person("a").pk)], set())


def test_waiting_signals_of_a_visitor_go_to_the_merged_person(api, call, listen, person):
    listener = listen()
    api.track(attributes=[{"user_alias": LEAD, "plan": "gold", "_update_existing_only": False}])
    api.track(attributes=[{"external_id": "a", "plan": "gold"}])
    live.work(now=timezone.now(), seconds=60)
    api.track(attributes=[{"external_id": "a", "plan": "free"}])
    live.work(now=timezone.now(), seconds=60)
    assert Signal.objects.count() == 3
    identify(call, "a")
    signals = listener.signals()
    assert {pk for _kind, pk in signals} == {person("a").pk}
    assert signals[-1][0] == "joined"
    assert listener.work() == [("left", person("a").pk)]


def test_a_merge_with_a_visitor_who_left_keeps_a_member(api, call, listen, person):
    listener = listen()
    api.track(attributes=[{"external_id": "a", "plan": "gold"}])
    lead = {"user_alias": LEAD, "_update_existing_only": False}
    api.track(attributes=[lead | {"plan": "gold"}])
    assert len(listener.work()) == 2
    api.track(attributes=[lead | {"plan": "free"}])
    live.work(now=timezone.now(), seconds=60)
    identify(call, "a")
    assert (listener.work(), listener.members()) == ([], {person("a").pk})


@pytest.mark.parametrize("rows", [["a,gold", "b,free"], ["known,gold", "b,free"]])
def test_an_imported_person_joins(import_pages, listen, make_profile, person, rows):
    make_profile(external_id="known", attributes={"plan": "free"})
    listener = listen()
    import_pages.run_to_end("external_id,plan\n" + "".join(f"{row}\n" for row in rows))
    joined = person(rows[0].split(",")[0])
    assert listener.work() == [("joined", joined.pk)]


def test_an_unchanged_person_joins_the_segment_of_an_import(
    import_pages, listen, gold_segment, make_profile
):
    profile = make_profile(external_id="a", attributes={"plan": "gold"})
    row = import_pages.start("external_id,plan\na,gold\n")
    gold_segment.filter = {"field": "import", "op": "is", "value": str(row.pk)}
    gold_segment.save()
    listener = listen()
    run_imports()
    assert listener.work() == [("joined", profile.pk)]


def test_an_erased_person_leaves(acme, make_profile, listen):
    profile = make_profile(attributes={"plan": "gold"})
    listener = listen()
    erase.erase(acme, [profile.pk], asked_by="test", now=timezone.now())
    assert (listener.work(), SegmentMember.objects.count()) == ([("left", profile.pk)], 0)


def test_a_changed_rule_of_consent_refreshes_the_members(acme, make_profile, gold_segment, listen):
    profile = make_profile(email="a@example.org", attributes={"plan": "gold", "ads": "no"})
    listener = listen(kinds=["email"])
    acme.consent_attribute = "ads"
    acme.rework(now=timezone.now())
    acme.save()
    rework.rework()
    assert listener.work() == [("left", profile.pk), ("joined", profile.pk)]


def test_demo_people_join(acme, gold_segment, listen):
    gold_segment.filter = {}
    gold_segment.save()
    listener = listen()
    demo.make_people(acme, 3)
    assert len(listener.work()) == 3
