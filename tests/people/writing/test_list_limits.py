"""A list attribute does not exceed the size limit of attributes."""

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.models import Profile
from audiencesync.people.writing import attribute_changes
from audiencesync.people.writing.upsert import upsert


@pytest.mark.django_db
def test_a_list_above_the_size_limit_is_refused(acme):
    parts = [tuple(f"{n}{'ä' * 250}" for n in numbers) for numbers in (range(40), range(40, 80))]
    add = [
        Change(external_id="c-1", attributes={"l": attribute_changes.Edit(part)}) for part in parts
    ]
    done = upsert(acme, add, now=timezone.now())
    assert done.unfit == {1: {"l": "too_long"}}
    assert len(Profile.objects.get().attributes["l"]) == 40
