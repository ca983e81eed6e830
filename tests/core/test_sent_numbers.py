"""Whole numbers in requests."""

import pytest

from audiencesync.core.web.sent_numbers import MAX_ID, whole


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), (str(MAX_ID), MAX_ID), ("12", 12)],
)
def test_digits_are_a_number(text, number):
    assert whole(text) == number


@pytest.mark.parametrize(
    "text", ["", "-1", "1.0", " 1", "²", "١", "x", None, str(MAX_ID + 1), "9" * 5000]
)
def test_everything_else_is_none(text):
    assert whole(text) is None


def test_a_number_beyond_the_most_is_none():
    assert (whole("12", most=12), whole("13", most=12)) == (12, None)
