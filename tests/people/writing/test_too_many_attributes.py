"""A change with more attributes than a profile may have creates no profile."""

from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.imports import chunk_writer
from audiencesync.people.models import Profile
from audiencesync.people.writing.attribute_changes import MOST_ATTRIBUTES
from audiencesync.people.writing.upsert import upsert
from tests.people.imports.test_export_and_import_again import exported, imported

TOO_MANY = {f"a{n}": n for n in range(MOST_ATTRIBUTES + 1)}
TOO_BIG = Change(external_id="big", attributes=TOO_MANY)


def test_no_profile_is_created(acme):
    result = upsert(acme, [TOO_BIG, Change(external_id="small")], now=timezone.now())

    assert result.problems == {0: "too_many"}
    assert Profile.objects.values_list("external_id").get() == ("small",)
    assert (result.profile_ids[0], result.created, len(result.new)) == (None, 1, 1)


def test_deleted_attributes_are_not_counted(acme):
    change = Change(external_id="big", attributes=TOO_MANY | {"a0": None})

    assert upsert(acme, [change], now=timezone.now()).problems == {}
    assert len(Profile.objects.get().attributes) == MOST_ATTRIBUTES


def test_a_later_change_creates_it(acme):
    only_existing = Change(external_id="big", fields={"country": "DE"}, only_existing=True)
    small = Change(external_id="big", attributes={"plan": "gold"})
    result = upsert(acme, [TOO_BIG, only_existing, small, TOO_BIG], now=timezone.now())

    assert result.problems == {0: "too_many", 1: "unknown", 3: "too_many"}
    profile = Profile.objects.get()
    assert result.profile_ids == [None, None, profile.pk, None]
    assert (profile.attributes, profile.country) == ({"plan": "gold"}, "")


def test_a_row_of_an_import_is_rejected(acme):
    most = {f"a {n:03}": n for n in range(MOST_ATTRIBUTES)}
    upsert(acme, [Change(external_id="c-1", attributes=most)], now=timezone.now())
    data = exported(acme)
    Profile.objects.all().delete()
    run = imported(acme, data.replace(b'"{""', b'"{""one more"": 1, ""'))

    assert (run.state, run.n_created, run.n_updated, run.n_rejected) == ("done", 0, 0, 1)
    assert [reject.reason for reject in chunk_writer.rejects(run)] == ["attributes"]
    assert not Profile.objects.exists()
