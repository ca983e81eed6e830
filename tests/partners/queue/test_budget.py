"""Send times are booked in one row per limit, at the rates of slow partners too."""

import pytest

from partners.queue import budget

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.mark.parametrize("rate", [0.01, 0.1, 1.0])
def test_a_second_booking_never_exceeds_a_low_rate(rate):
    limit = budget.Limit("app:slow", rate)
    first = budget.book_many(limit, 8, within=8.0)
    assert first[0] == 0.0
    # The next free time is the end of the interval of the last send: nothing else may be sent now.
    assert budget.book_many(limit, 8, within=0.5 / rate if rate < 1 else 0.0) == []


def test_sends_that_would_be_too_far_ahead_are_not_booked():
    limit = budget.Limit("app:slow", 2.0)
    # Half a second apart, from now: the fourth would be sent after one and a half.
    assert len(budget.book_many(limit, 8, within=1.0)) == 3
