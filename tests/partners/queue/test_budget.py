"""Bookings of send times keep to the rate of a limit, even a very low one."""

import pytest

from partners.queue import budget

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.mark.parametrize("rate", [0.01, 0.1, 1.0])
def test_a_second_booking_never_exceeds_a_low_rate(rate):
    limit = budget.Limit("app:slow", rate)
    first = budget.book_many(limit, 8, within=8.0)
    assert first[0] == 0.0
    # The first booking has used the interval, so nothing else may be sent within it.
    assert budget.book_many(limit, 8, within=0.5 / rate if rate < 1 else 0.0) == []


def test_sends_that_would_be_too_far_ahead_are_not_booked():
    limit = budget.Limit("app:slow", 2.0)
    # Sends are half a second apart: at 0, 0.5 and 1.0 s. The fourth, at 1.5 s, is too late.
    assert len(budget.book_many(limit, 8, within=1.0)) == 3
