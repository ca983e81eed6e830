"""Objects of one call about one person apply in order, like separate calls."""

import itertools
import threading

import pytest
from django.db import connections
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiencesync.groups.models import AppGroup
from audiencesync.people.api import track
from audiencesync.people.models import Event, Profile
from tests.support.rest_api import Caller

pytestmark = pytest.mark.thorough

NOW = "2026-11-01T10:00:00Z"


def test_a_new_profile_is_found_by_its_email_in_the_same_call(api, person):
    cart = {"email": "dup@example.org", "name": "cart", "time": NOW}
    api.track(attributes=[{"external_id": "d1", "email": "Dup@example.org"}], events=[cart])
    assert Event.objects.get().profile == person("d1")
    assert Profile.objects.count() == 1


def test_a_profile_is_found_by_a_phone_set_in_the_same_call(api, person):
    api.track(attributes=[{"external_id": "d1"}])
    api.track(
        attributes=[
            {"external_id": "d1", "phone": "+4915112345678"},
            {"phone": "0151 12345678", "x": 1},
        ]
    )
    assert person("d1").attributes == {"x": 1}


def test_an_email_replaced_in_the_same_call_finds_no_profile(api, person):
    api.track(attributes=[{"external_id": "a", "email": "old@example.org"}])
    api.track(
        attributes=[
            {"external_id": "a", "email": "new@example.org"},
            {"email": "old@example.org", "x": 1},
        ]
    )
    assert (person("a").email, person("a").attributes) == ("new@example.org", {})
    assert Profile.objects.get(external_id=None).attributes == {"x": 1}


def test_an_object_with_a_bad_attribute_still_sets_its_email(api, person):
    api.track(attributes=[{"external_id": "a", "n": "text"}])
    objects = [
        {"external_id": "a", "email": "a@example.org", "n": {"inc": 1}},
        {"email": "a@example.org", "x": 1},
    ]
    assert [error["index"] for error in api.track(attributes=objects)["errors"]] == [0]
    assert (person("a").email, person("a").attributes) == ("a@example.org", {"n": "text", "x": 1})


EMAIL = st.sampled_from(
    [{"email": f"{name}@example.org"} for name in "xyz"] + [{"email": "X@Example.org"}]
)
PHONE = st.sampled_from(
    [{"phone": "+4915112345670"}, {"phone": "0151 12345670"}, {"phone": "+4915112345671"}]
)
NOTHING = st.sampled_from([{}, {"email": None, "phone": None}])
OBJECTS = EMAIL | PHONE | st.builds(dict.__or__, st.just({"external_id": "a"}), EMAIL | NOTHING)
OBJECTS |= st.builds(dict.__or__, st.just({"external_id": "b"}), PHONE | NOTHING)
ORDER = itertools.count()


def people_after(calls):
    group = AppGroup.objects.create(name="x", slug=f"fold-{next(ORDER)}", phone_region="DE")
    for objects in calls:
        arrays = {array: objects if array == "attributes" else [] for array in track.ARRAYS}
        assert not track.track(group, arrays, now=timezone.now()).errors
    rows = Profile.objects.filter(app_group=group).values_list(
        "external_id", "email", "phone", "attributes"
    )
    return sorted(rows, key=repr)


@pytest.mark.django_db
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(objects=st.lists(OBJECTS, min_size=1, max_size=8))
def test_one_call_equals_one_call_for_each_object(objects):
    objects = [item | {f"n{place}": place} for place, item in enumerate(objects)]
    assert people_after([objects]) == people_after([item] for item in objects)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_calls_about_the_same_people_do_not_deadlock(acme, issue_key):
    key, statuses = issue_key(acme), []
    names = [{"external_id": f"p{n}", "email": f"e{n}@example.org"} for n in range(8)]
    objects = [item for name in names for item in (name, {"email": name["email"]})]

    def work(select):
        for turn in range(4):
            body = {"attributes": [item | {"t": turn} for item in select]}
            statuses.append(Caller(key).post("/users/track", body).status_code)
        connections.close_all()

    orders = [objects, objects[::-1], names[::-1]]
    threads = [threading.Thread(target=work, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert statuses == [201] * 12
    assert Profile.objects.exclude(external_id=None).count() == 8
