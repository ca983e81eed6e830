"""Detect e-mails and phones that a hash-only group must not store, for API and import."""

import pytest

from audiencesync.people.writing import in_clear
from audiencesync.people.writing.attribute_changes import Edit, EditObjects, Inc, Merge

ADDRESSES = [
    ("email_2", "b@example.org"),
    ("contact", "Anna <b@example.org>"),
    ("note", "write to b@example.org, please"),
    ("note", "b @ example.org"),
    ("note", "b＠example.org"),
    ("note", "b@example。org"),
    ("note", "b\u200b@example.org"),
    ("page", "https://example.com/?email=b%40example.org"),
    ("b@example.org", True),
    ("mobile", "0151 12345678"),
    ("mobile", 4915112345678),
    ("mobile", 4915112345678.0),
    ("Telefon privat", "030 1234567"),
    ("Telefonprivat", "1234567"),
    ("homePhone", "1234567"),
    ("WhatsApp", "+4915112345678"),
    ("phone2", "0151/123456-78"),
    ("msisdn", "4915112345678"),
    ("contact", "0301234567"),
    ("note", "call +49 151 12345678 after six"),
    ("note", "0151 12345678"),
    ("note", "(030) 1234567"),
    ("info", {"mobile": "1234567"}),
    ("mobile", {"private": "1234567"}),
    ("info", {"a": [{"b": "b@example.org"}]}),
    ("info", {"b@example.org": 1}),
    ("phones", ["1234567"]),
    ("mobile", Inc(4915112345678)),
    ("list", Edit(("b@example.org",), ())),
    ("info", Merge({"mail": "b@example.org"})),
    ("info", EditObjects(({"mail": "b@example.org"},))),
    ("info", EditObjects((), (("id", 1, {"mail": "b@example.org"}),))),
]
OTHERS = [
    ("tier", "gold"),
    ("points", 1234567),
    ("order", "1234567890"),
    ("ean", "4006381333931"),
    ("since", "2026-11-23"),
    ("mobile_since", "2026-11-23T10:00:00Z"),
    ("phone_verified_at", 1764000000),
    ("mobile_app_version", "12.4.1.200.30"),
    ("iPhone", "123456789"),
    ("mobile", True),
    ("mobile", "yes"),
    ("sms", 3),
    ("email_subscribe", "opted_in"),
    ("email_sha256", "ab" * 32),
    ("profile", "https://www.tiktok.com/@user.name"),
    ("picture", "logo@2x.png"),
    ("package", "react@18.2.0"),
    ("time", "23.11.2026 10:00"),
    ("amount", "-1.234.567,00"),
    ("zip", "01067"),
    ("place", "52.520008, 13.404954"),
    ("info", {"a": [1, "x", None, True]}),
    ("info", EditObjects((), (), (("mail", "b@example.org"),))),
    ("list", Edit((), ("b@example.org",))),
]


@pytest.mark.parametrize(("name", "value"), ADDRESSES)
def test_an_address_is_detected_in_any_value(name, value):
    assert in_clear.holds_address(name, value, region="DE")


@pytest.mark.parametrize(("name", "value"), OTHERS)
def test_other_values_are_not_detected(name, value):
    assert not in_clear.holds_address(name, value, region="DE")


@pytest.mark.parametrize("text", ["(201) 555-0123", "201-555-0123", "+1 201 555 0123"])
def test_a_number_in_national_format_is_detected(text):
    assert in_clear.holds_address("note", f"ring {text}", region="US")
