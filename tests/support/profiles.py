"""Profiles for the tests of people."""

import pytest

from audiencesync.people.identifiers import normalise
from audiencesync.people.models import Profile


@pytest.fixture
def make_profile(acme):
    """make_profile(**columns) -> a saved profile of acme with its hashes and a new external id."""

    def make(**columns):
        group = columns.pop("app_group", acme)
        columns.setdefault("external_id", f"person-{Profile.objects.count() + 1}")
        profile = Profile(app_group=group, **columns)
        normalise.apply(profile, region=group.phone_region)
        profile.save()
        return profile

    return make
