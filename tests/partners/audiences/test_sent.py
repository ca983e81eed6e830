"""A filter finds the people in an audience by the last thing that was sent for each."""

import pytest
from django.db import connection
from django.utils import timezone

from audiencesync.people.models import Profile
from audiencesync.people.segments import edit, filters
from partners.models import Audience, Batch, Delivery, Outcome
from tests.support import builder


@pytest.fixture
def audience(acme):
    account = builder.add_account(builder.connect(acme))
    return Audience.objects.create(ad_account=account, remote_id="1", name="Winback")


@pytest.fixture
def people(make_profile):
    return [make_profile(external_id=name, email=f"{name}@example.com") for name in "abc"]


def enter(audience, action, names, outcome=Outcome.SYNCED):
    chosen = Profile.objects.filter(external_id__in=list(names))
    builder.enter(builder.make_sync(audience, action), chosen)
    Batch.objects.pending().update(state=outcome, settled_at=timezone.now())


def found(audience, op):
    query = filters.parse({"audience": audience.pk, "op": op})
    people = Profile.objects.filter(query).order_by("external_id")
    return "".join(person.external_id for person in people)


def test_the_last_synced_delivery_decides(audience, people):
    enter(audience, "add", "ab")
    enter(audience, "remove", "a")
    enter(audience, "remove", "b", Outcome.CANCELLED)
    enter(audience, "add", "c", Outcome.ERRORED)
    other = Audience.objects.create(ad_account=audience.ad_account, remote_id="2", name="Other")
    enter(other, "add", "c")
    assert (found(audience, "in"), found(audience, "not_in")) == ("b", "ac")
    enter(audience, "add", "a")
    assert found(audience, "in") == "ab"


def test_an_audience_has_a_name_in_words(audience):
    condition = {"audience": audience.pk, "op": "not_in"}
    assert filters.describe(condition) == "everybody who is not in the audience “Winback”"


def test_an_audience_of_another_group_is_refused(audience, other_group, charlie):
    condition = {"any": [{"audience": audience.pk, "op": "in"}]}
    with pytest.raises(filters.FilterError) as caught:
        edit.create(other_group, name="Theirs", raw_filter=condition, by=charlie)
    assert caught.value.path == "any[0].audience"


def test_an_index_finds_the_deliveries_of_a_person(audience, acme):
    many = [
        Profile(app_group=acme, external_id=f"p{number}", email_sha256=number.to_bytes(32, "big"))
        for number in range(300)
    ]
    Profile.objects.bulk_create(many)
    for _batch in range(20):
        builder.enter(builder.make_sync(audience), Profile.objects.all())
    Batch.objects.pending().update(state=Outcome.SYNCED, settled_at=timezone.now())
    with connection.cursor() as cursor:
        for model in (Profile, Batch, Delivery):
            cursor.execute(f"ANALYZE {model._meta.db_table}")
    query = Profile.objects.filter(
        filters.parse({"audience": audience.pk, "op": "in"}), pk=many[0].pk
    )
    assert "partners_delivery_profile_id" in query.explain()
