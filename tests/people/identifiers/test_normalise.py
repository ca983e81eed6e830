"""Repair odd spellings, refuse unusable values, and accept a hash as it is."""

import pytest

from audiencesync.people.identifiers.normalise import KINDS, ZERO, digest, is_email, normalise

HASH = "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69"


def value(kind, raw, region="DE"):
    return normalise(kind, raw, region=region).value


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("jane doe @example.com", "janedoe@example.com"),
        ("JANE@EXAMPLE.COM\r\n", "jane@example.com"),
        ("jane\uff20example.com", "jane@example.com"),  # full-width @
        ("\uff4aane@example.com", "jane@example.com"),
        ("jane@example.com\u00a0", "jane@example.com"),
        ("ä@bücher.de", "ä@bücher.de"),
        ("jane@example.com\u200b", "jane@example.com"),
        ("\ufeffjane@example.com", "jane@example.com"),
        ("ja\u2060ne\u00ad@exam\u200eple.com", "jane@example.com"),
        ("\u2068jane@example.com\u2069\r\n", "jane@example.com"),
        ("\u0130SMA\u0130L@example.com", "ismail@example.com"),
        ("I\u0307smail@example.com", "ismail@example.com"),
        ("\u0131smail@example.com", "\u0131smail@example.com"),
        ("jane@example.com\ufe0f", "jane@example.com"),
        ("jane@exam\u034fple.com", "jane@example.com"),
        ("jane@example\u3002com", "jane@example.com"),
        ("o'hara+x@sub.example.co.uk", "o'hara+x@sub.example.co.uk"),
        (
            f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 58}.de",
            f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 58}.de",
        ),
    ],
)
def test_usable_emails_are_normalised(raw, expected):
    assert value("email", raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "a@b",
        "jane",
        "@example.com",
        "jane@",
        "jane@@example.com",
        "mailto:jane@example.com",
        "jane@example.com,joe@example.com",
        "jane@localhost",
        "jane@host.local",
        "jane@example.test",
        "jane..doe@example.com",
        ".jane@example.com",
        "jane@ab--c.de",
        "jane@-example.com",
        '"jane doe"@example.com',
        "Jane jane@example.com",
        "jane@example.com (private)",
        "jane@example.com old",
        "jane@[127.0.0.1]",
        "jane\x00@example.com",
        "jane\ud800@example.com",
        f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 59}.de",  # 255 characters
        "a" * 10_000 + "@example.com",
        "👩‍👩‍👧@",
        HASH[:-1],
    ],
)
def test_unusable_emails_are_invalid(raw):
    assert normalise("email", raw, region="DE") == (None, None, "invalid")


@pytest.mark.parametrize(
    "raw",
    [
        "+4930231251 23",
        "030 23125123",
        "0049 30 23125123",
        "+49 (0) 30 23125-123",
        "\uff0b\uff14\uff19 30 23125123",  # full-width digits
        "+٤٩٣٠٢٣١٢٥١٢٣",  # Arabic-Indic digits
        "tel:+49-30-23125123",
        "+493023125123 ext. 7",
    ],
)
def test_phones_become_e164(raw):
    assert value("phone", raw) == "+493023125123"


def test_a_national_number_is_read_in_the_country_of_the_group():
    assert [value("phone", "020 7183 8750", region) for region in ("GB", "gb")] == [
        "+442071838750"
    ] * 2
    assert value("phone", "020 7183 8750", "US") is None


@pytest.mark.parametrize(
    "raw",
    [
        "+1231234567",
        "12",
        "+",
        "+49",
        "+999123456789",
        "1" * 20,
        "9" * 5000,
        "call me",
        "+49\x0030",
        "\ud800",
        "+0",
    ],
)
def test_unusable_phones_are_invalid(raw):
    assert normalise("phone", raw, region="DE") == (None, None, "invalid")


def test_an_unknown_region_reads_international_numbers_only():
    assert (
        value("phone", "+493023125123", "")
        == value("phone", "+493023125123", "ZZ")
        == "+493023125123"
    )
    assert value("phone", "030 23125123", "ZZ") is None


@pytest.mark.parametrize(
    "raw",
    [
        ZERO,
        ZERO.replace("-", ""),
        "5f3a2b189c4d4e7fb8e217d3a1e69b25",
        "5f3a2b18-9c4d-4e7f-b8e2-17d3a1e69b2",
        "x",
    ],
)
def test_unusable_device_ids_are_invalid(raw):
    assert normalise("idfa", raw, region="DE") == (None, None, "invalid")


@pytest.mark.parametrize("kind", ["idfa", "gaid"])
def test_invisible_characters_of_a_device_id_are_removed(kind):
    device_id = "5f3a2b18-9c4d-4e7f-b8e2-17d3a1e69b25"
    assert value(kind, f"\ufeff{device_id[:9]}\u200b{device_id[9:]}\u00a0") == device_id


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("raw", ["\u200b", " \ufeff\u00ad "])
def test_a_value_of_invisible_characters_is_empty(kind, raw):
    assert normalise(kind, raw, region="DE").problem == "empty"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("raw", [f"\ufeff{HASH}", HASH, HASH.upper(), f" {HASH} "])
def test_a_hash_is_accepted_unchanged(kind, raw):
    assert normalise(kind, raw, region="DE") == (HASH, bytes.fromhex(HASH), None)


def test_the_hash_of_the_zero_idfa_is_refused():
    assert normalise("idfa", digest(ZERO).hex(), region="DE").problem == "invalid"


def test_full_width_digits_are_no_hash():
    assert normalise("idfa", "\uff10" * 64, region="DE").problem == "invalid"


def test_the_longest_address_has_254_characters():
    assert is_email(f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 58}.de")
