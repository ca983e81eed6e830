"""Profiles for the tests of people."""

import pytest

from audiencesync.people.identifiers import normalise
from audiencesync.people.models import Profile


def set_hashes(profile, *, region):
    """Set the hashes of an unsaved profile from its raw values."""
    raw = (profile.email, profile.phone, profile.idfa, profile.gaid)
    (found,) = normalise.hash_rows([raw], region=region)
    for name, value in found._asdict().items():
        if name != "invalid":
            setattr(profile, f"{name}_sha256", value)
    profile.invalid_kinds, profile.rule_version = found.invalid, normalise.RULE_VERSION


def stored_hashes(profile):
    """Return the hashes in the columns of a profile."""
    columns = {
        name: getattr(profile, f"{name}_sha256")
        for name in normalise.Hashes._fields
        if name != "invalid"
    }
    digests = {name: None if value is None else bytes(value) for name, value in columns.items()}
    return normalise.Hashes(**digests, invalid=profile.invalid_kinds)


@pytest.fixture
def make_profile(acme):
    """make_profile(**columns) -> a saved profile of acme with its hashes and a new external id."""

    def create(**columns):
        group = columns.pop("app_group", acme)
        columns.setdefault("external_id", f"person-{Profile.objects.count() + 1}")
        profile = Profile(app_group=group, **columns)
        set_hashes(profile, region=group.phone_region)
        profile.save()
        return profile

    return create


@pytest.fixture
def people_of(acme):
    """people_of(n) -> a QuerySet of n profiles of acme with an e-mail hash."""

    def create(n):
        profiles = Profile.objects.bulk_create(
            Profile(app_group=acme, external_id=f"of-{i}", email_sha256=b"%032d" % i)
            for i in range(n)
        )
        return Profile.objects.filter(pk__in=[row.pk for row in profiles])

    return create
