"""A lease ends at its time, or at once if a wrong clock wrote an end far in the future."""

from datetime import UTC, datetime, timedelta

import pytest

from audiencesync.core import lease
from partners.models import Lane

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ENDS = [
    (None, True),
    (NOW - timedelta(seconds=1), True),
    (NOW, True),
    (NOW + timedelta(seconds=1), False),
    (NOW + timedelta(seconds=120), False),
    (NOW + timedelta(seconds=121), True),
]


@pytest.mark.parametrize(("end", "is_expired"), ENDS)
def test_a_lease_expires_at_its_end_or_if_the_end_cannot_be_true(end, is_expired):
    assert lease.is_expired(end, seconds=60, now=NOW) is is_expired


@pytest.mark.parametrize(("end", "is_expired"), ENDS)
def test_the_condition_in_the_database_says_the_same(db, end, is_expired):
    Lane.objects.create(key="1", lease="x", lease_until=end)
    free_lanes = Lane.objects.filter(lease.free_q("lease_until", seconds=60, now=NOW))
    assert free_lanes.exists() is is_expired


def test_a_row_without_a_lease_is_not_expired(db):
    Lane.objects.create(key="1")
    assert not Lane.objects.filter(lease.expired_q("lease_until", seconds=60, now=NOW)).exists()
