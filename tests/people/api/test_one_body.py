"""Objects of one call about one person, by whatever name: they apply in their order, as if each were a call of its own."""

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

NOW = "2026-11-01T10:00:00Z"


def test_who_is_made_with_an_email_is_found_by_it(api, person):
    cart = {"email": "dup@example.org", "name": "cart", "time": NOW}
    api.track(attributes=[{"external_id": "d1", "email": "Dup@example.org"}], events=[cart])
    assert Event.objects.get().profile == person("d1")
    assert Profile.objects.count() == 1


def test_who_is_given_a_phone_is_found_by_it(api, person):
    api.track(attributes=[{"external_id": "d1"}])
    api.track(
        attributes=[
            {"external_id": "d1", "phone": "+4915112345678"},
            {"phone": "0151 12345678", "x": 1},
        ]
    )
    assert person("d1").attributes == {"x": 1}


def test_an_email_that_was_changed_earlier_is_nobody_s(api, person):
    api.track(attributes=[{"external_id": "a", "email": "old@example.org"}])
    api.track(
        attributes=[
            {"external_id": "a", "email": "new@example.org"},
            {"email": "old@example.org", "x": 1},
        ]
    )
    assert (person("a").email, person("a").attributes) == ("new@example.org", {})
    assert Profile.objects.get(external_id=None).attributes == {"x": 1}


def test_an_object_with_a_bad_attribute_gives_its_email_all_the_same(api, person):
    api.track(attributes=[{"external_id": "a", "n": "text"}])
    told = [
        {"external_id": "a", "email": "a@example.org", "n": {"inc": 1}},
        {"email": "a@example.org", "x": 1},
    ]
    assert [error["index"] for error in api.track(attributes=told)["errors"]] == [0]
    assert (person("a").email, person("a").attributes) == ("a@example.org", {"n": "text", "x": 1})


MAIL = st.sampled_from(
    [{"email": f"{name}@example.org"} for name in "xyz"] + [{"email": "X@Example.org"}]
)
PHONE = st.sampled_from(
    [{"phone": "+4915112345670"}, {"phone": "0151 12345670"}, {"phone": "+4915112345671"}]
)
NOTHING = st.sampled_from([{}, {"email": None, "phone": None}])
OBJECTS = MAIL | PHONE | st.builds(dict.__or__, st.just({"external_id": "a"}), MAIL | NOTHING)
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
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(told=st.lists(OBJECTS, min_size=1, max_size=8))
def test_one_call_is_as_many(told):
    told = [item | {f"n{place}": place} for place, item in enumerate(told)]
    assert people_after([told]) == people_after([item] for item in told)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_such_calls_beside_each_other_wait_in_no_circle(acme, issue):
    key, statuses = issue(acme), []
    names = [{"external_id": f"p{n}", "email": f"e{n}@example.org"} for n in range(8)]
    told = [item for one in names for item in (one, {"email": one["email"]})]

    def work(objects):
        for turn in range(4):
            statuses.append(
                Caller(key).post("/users/track", {"attributes": objects(turn)}).status_code
            )
        connections.close_all()

    ways = [
        lambda turn: [one | {"t": turn} for one in told],
        lambda turn: [one | {"t": turn} for one in told[::-1]],
        lambda turn: [one | {"t": turn} for one in names[::-1]],
    ]
    threads = [threading.Thread(target=work, args=(way,)) for way in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert statuses == [201] * 12
    assert Profile.objects.exclude(external_id=None).count() == 8
