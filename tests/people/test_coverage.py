"""How many people can be named to a partner."""

import uuid

from audiencesync.people.coverage import Coverage, coverage
from audiencesync.people.models import Profile


def test_each_kind_is_counted_in_one_query(make_profile, django_assert_num_queries):
    make_profile(email="jane@example.com", gaid=str(uuid.uuid4()))
    make_profile(email="not one", phone="+442071838750")
    make_profile(email="not one")
    with django_assert_num_queries(1):
        found = coverage(Profile.objects.all())
    assert found == Coverage(3, {"email": 1, "phone": 1, "idfa": 0, "gaid": 1}, 1)


def test_only_the_kinds_that_are_sent_count(make_profile):
    make_profile(email="jane@example.com")
    make_profile(phone="+442071838750")
    assert coverage(Profile.objects.all(), ["phone"]) == Coverage(2, {"phone": 1}, 1)
    assert coverage(Profile.objects.all(), []) == Coverage(2, {}, 2)


def test_nobody_is_zero(db):
    assert coverage(Profile.objects.all()).total == 0
