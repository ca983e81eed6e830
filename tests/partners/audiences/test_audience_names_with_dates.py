"""Dates in a name are not taken for phone numbers; phone numbers are rejected."""

import pytest

from partners import registry
from partners.audiences.listing import AudienceNameError, check_name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "2026-11-28 - 2026-12-24",
            "01.11.2026-30.11.2026",
            "20261128-1200",
            "2026-11-28",
            "28.11.26 - 24.12.26",
        ),
        *(
            "20261128 20261224",
            "2026/11/28-2026/12/24",
            "28/11/2026-24/12/2026",
            "2026 11 28",
            "Black Friday 2026-11-27",
        ),
    ],
)
def test_dates_are_not_phone_numbers(name):
    assert check_name(name, registry.get("tiktok")) == name


@pytest.mark.parametrize(
    "name",
    ["+49 151 12345678", "0151 12345678", "(0151) 123-45678", "4915112345678", "0049151 1234567"],
)
def test_a_phone_number_is_rejected(name):
    with pytest.raises(AudienceNameError, match="phone number"):
        check_name(name, registry.get("tiktok"))
