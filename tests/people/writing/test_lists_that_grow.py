"""A list of an attribute grows no further than an attribute may."""

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.models import Profile
from audiencesync.people.writing import attribute_changes
from audiencesync.people.writing.upsert import upsert


@pytest.mark.django_db
def test_a_list_grows_no_further_than_an_attribute_may(acme):
    parts = [tuple(f"{n}{'ä' * 250}" for n in some) for some in (range(40), range(40, 80))]
    add = [
        Change(external_id="c-1", attributes={"l": attribute_changes.Edit(part)}) for part in parts
    ]
    done = upsert(acme, add, now=timezone.now())
    assert done.unfit == {1: {"l": "too_long"}}
    assert len(Profile.objects.get().attributes["l"]) == 40
