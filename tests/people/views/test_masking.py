"""Viewers see no phone and no address, in whatever field and spelling."""

import pytest
from django.urls import reverse

from audiencesync.people import masking
from tests.people.views.test_profile_pages import URL, page

pytestmark = pytest.mark.thorough

PHONES = [
    *(
        "+4915112345678",
        "0151 123-45678",
        "4915112345678",
        "tel:+49(151)12345678",
        "+49\u00a0151\u00a012345678",
    ),
    *("0151\u201312345678", "0151_12345678", "0151,12345678", "whatsapp+4915112345678"),
    *("user-4915112345678", "ab12345678"),
]


@pytest.mark.parametrize("external_id", PHONES)
def test_viewers_see_no_phone_in_an_external_id(make_profile, vera, bob, signed_in, external_id):
    one = make_profile(external_id=external_id)
    for url in (URL, reverse("profile", args=["acme", one.pk])):
        assert "5678" not in page(signed_in(vera), url)[1]
        assert external_id in page(signed_in(bob), url)[1]
    assert "***78" in page(signed_in(vera))[1]
    assert "No one matches." in page(signed_in(vera), q=external_id[:-1])[1]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("０１５１１２３４５６７８", "***78"),
        ("٠١٥١١٢٣٤٥٦٧٨", "***٧٨"),
        ("max＠mail.example.de", "m***@m***.de"),
        ("müller", "müller"),
    ],
)
def test_an_id_is_masked_in_any_script(written, shown):
    assert masking.mask_contact_data(written) == shown


def test_viewers_see_no_phone_in_an_attribute_name(make_profile, vera, bob, signed_in):
    url = reverse("profile", args=["acme", make_profile(attributes={"m 0151 12345678": True}).pk])
    assert "0151 12345678" not in page(signed_in(vera), url)[1]
    assert "0151 12345678" in page(signed_in(bob), url)[1]


@pytest.mark.parametrize("value", [4915112345678, 4915112345678.0, 1234567, -4915112345678])
def test_viewers_see_no_number_that_may_be_a_phone(make_profile, vera, bob, signed_in, value):
    url = reverse(
        "profile", args=["acme", make_profile(attributes={"mobile2": value, "orders": 765432}).pk]
    )
    assert str(value) not in page(signed_in(vera), url)[1]
    assert str(value) in page(signed_in(bob), url)[1]
    assert "765432" in page(signed_in(vera), url)[1]


@pytest.mark.parametrize(
    "external_id", ["c-123456", "123456", "ab", "4f9a2b18-9c4d-4e7f-b8e2-17d3a1e69b25"]
)
def test_viewers_see_other_external_ids(make_profile, vera, signed_in, external_id):
    make_profile(external_id=external_id)
    assert external_id in page(signed_in(vera), q=external_id[:4])[1]
