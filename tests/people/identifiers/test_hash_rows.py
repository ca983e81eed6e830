"""The fast path for clean values agrees with the libraries; bulk and single hashes agree."""

import uuid

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiencesync.people.identifiers import normalise as identifiers
from audiencesync.people.identifiers import phones
from audiencesync.people.identifiers.normalise import KINDS, alternative, hash_rows, normalise
from audiencesync.people.models import Profile
from tests.support.profiles import set_hashes

pytestmark = pytest.mark.thorough

ROW = ("Jane@Example.com", "+442071838750", "5F3A2B18-9C4D-4E7F-B8E2-17D3A1E69B25", "")
WORDS = st.text("abcXYZ019_+-.", max_size=40)
DOMAINS_OF_GMAIL = st.sampled_from(["gmail.com", "GoogleMail.com", "notgmail.com"])
LABELS = st.sampled_from(
    [
        "example",
        "ex-ample",
        "ab--c",
        "xn--bcher-kva",
        "a",
        "-a",
        "1",
        "com",
        "c1",
        "test",
        "localhost",
        "",
        "d" * 30,
    ]
)
EMAILS = st.builds(
    lambda word, domain: f"{word}@{domain}",
    WORDS,
    st.lists(LABELS, max_size=4).map(".".join) | DOMAINS_OF_GMAIL,
)
CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
EXAMPLES = [
    f"+{code}{phonenumbers.national_significant_number(example)}"
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
    for region in regions
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    if (example := phonenumbers.example_number_for_type(region, kind))
]
PHONES = st.one_of(
    st.sampled_from(EXAMPLES),
    st.builds(
        lambda known, tail: known[: -len(tail)] + tail,
        st.sampled_from(EXAMPLES),
        st.text("0123456789", min_size=1, max_size=5),
    ),
    st.builds(lambda code, rest: f"+{code}{rest}", CODES, st.text("0123456789", max_size=12)),
)


@settings(max_examples=3000)
@given(EMAILS)
def test_the_fast_path_for_emails_agrees_with_the_library(raw):
    lower = raw.lower()
    if identifiers._clean_email(lower):
        address = identifiers.email_validator.validate_email(lower, check_deliverability=False)
        assert address.normalized == lower


@settings(max_examples=3000)
@given(PHONES)
def test_the_fast_path_for_phones_agrees_with_the_library(raw):
    if phones.is_clean(raw):
        assert phones.parse(raw, "DE") == raw == phones.parse(raw, "US")


def test_a_number_that_the_library_would_shorten_is_not_clean():
    raw = "+3758101881081"  # 8 is the trunk prefix of Belarus, and the rest is a number too
    assert not phones.is_clean(raw)
    assert phones.parse(raw, "DE") != raw


def test_most_numbers_take_the_fast_path():
    assert sum(map(phones.is_clean, EXAMPLES)) > 0.8 * len(EXAMPLES)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            EMAILS | st.text(), PHONES | st.text(), st.uuids().map(str) | st.text(), st.text()
        )
    )
)
def test_bulk_and_single_hashes_agree(rows):
    alone = [
        [normalise(kind, raw, region="DE") for kind, raw in zip(KINDS, row, strict=True)]
        for row in rows
    ]
    hashes = list(hash_rows(rows, region="DE"))
    assert [row[:4] for row in hashes] == [tuple(one.sha256 for one in row) for row in alone]
    assert [(row.email_gmail, row.phone_digits) for row in hashes] == [
        (alternative("email", row[0]), alternative("phone", row[1])) for row in alone
    ]
    assert [[bool(row.invalid >> bit & 1) for bit in range(4)] for row in hashes] == [
        [one.problem not in (None, "empty") for one in row] for row in alone
    ]


def test_a_line_break_in_a_value_does_not_shift_rows():
    rows = [("a@example.com\nb@example.com", "", "", ""), ("c@example.com", "", "", "")]
    assert [row.invalid for row in hash_rows(rows, region="DE")] == [1, 0]


def test_each_unusable_kind_sets_its_bit(acme):
    profile = Profile(
        app_group=acme,
        external_id="1",
        email="bad",
        phone="",
        idfa=identifiers.ZERO,
        gaid=str(uuid.uuid4()),
    )
    set_hashes(profile, region=acme.phone_region)
    assert (profile.invalid_kinds, profile.email_sha256, profile.phone_sha256) == (
        0b0101,
        None,
        None,
    )
    assert profile.gaid_sha256 is not None
