"""Count the people of a segment that can be matched by a partner."""

import uuid

import pytest

from audiencesync.people.models import Profile
from audiencesync.people.segments.uses.coverage import Coverage, coverage


def test_each_kind_is_counted_in_one_query(make_profile, django_assert_num_queries):
    make_profile(email="jane@example.com", gaid=str(uuid.uuid4()))
    make_profile(email="not one", phone="+442071838750")
    make_profile(email="not one")
    with django_assert_num_queries(1):
        counts = coverage(Profile.objects.all())
    assert counts == Coverage(3, {"email": 1, "phone": 1, "idfa": 0, "gaid": 1}, 1, addable=2)


def test_only_the_kinds_to_be_sent_count(make_profile):
    make_profile(email="jane@example.com")
    make_profile(phone="+442071838750")
    assert coverage(Profile.objects.all(), ["phone"]) == Coverage(2, {"phone": 1}, 1, addable=1)
    assert coverage(Profile.objects.all(), []) == Coverage(2, {}, 2)


def test_no_people_count_as_zero(db):
    assert coverage(Profile.objects.all()).total == 0


@pytest.mark.parametrize(
    ("is_strict", "refused", "untracked", "addable"), [(False, 2, 2, 2), (True, 5, 0, 1)]
)
def test_consent_is_counted_as_in_the_queue(make_profile, is_strict, refused, untracked, addable):
    device = {"gaid": str(uuid.uuid4()), "ad_tracking_enabled": False}
    make_profile(email="jane@example.com", ads_consent=True)
    make_profile(email="joe@example.com", ads_consent=False, **device)
    make_profile(email="ann@example.com", **device)
    make_profile(**device)
    make_profile(idfa=str(uuid.uuid4()), ad_tracking_enabled=False)
    make_profile(ads_consent=False, ad_tracking_enabled=False)  # has no identifier
    counts = coverage(Profile.objects.all(), is_strict=is_strict)
    assert (counts.total, counts.none, counts.refused, counts.untracked) == (
        6,
        1,
        refused,
        untracked,
    )
    assert counts.addable == addable


def test_tracking_is_ignored_without_device_ids(make_profile):
    make_profile(email="jane@example.com", ad_tracking_enabled=False)
    assert coverage(Profile.objects.all(), ["email"]).untracked == 0
