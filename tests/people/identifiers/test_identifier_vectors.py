"""Hash every test vector published by TikTok and by other senders."""

import pytest

from audiencesync.people.identifiers import normalise

RAW_EMAIL = "  Jane.Doe+News@Example.COM "
HASHES = {
    "janedoe@gmail.com": "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69",
    "testing@testing.com": "584c4423c421df49955759498a71495aba49b8780eb9387dff333b6f0982c777",
    "jane.doe+news@example.com": "dbf1912b4cad4df9823f627874244e64b50a6ac550b9cb33b17df671a26679db",
    "jane.doe@example.com": "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d",
    "janedoe@example.com": "c4d25e9c90ff23e9145397bc6fbd5385ca5fbe78211222ccbecd0b369ebb19a6",
    "+1231234567": "a644642cf5b18c850cda6a57683ab0287c3f28ef939ee5f90f7be5312606f637",
    "1231234567": "5ee004fe40c4d3ea9860fb7c054ad74a72840e0201112e3f8869d6dca9b0adee",
    "+16577770000": "a6e82c2f4091baff57a4f33d01efb65bfbeacbbfbcfaa9d0ff9f57d28d78fedb",
    "16577770000": "8d7bdaaf75196f351d22942fc0dd79304ffabc3eaf3339460ef9da0773e3aec2",
    "+37493828222": "241371e614f8650dfae0f111361c69de1bb4829a72b71bb8044daae8b2e7791d",
    "37493828222": "65b7e6dcf6f4310f8d7cbfbd78289a753062fb054d6664fb9aaac5df66a422d4",
    "+442071838750": "e631c2534428c6c9b48c2167604a8983046085e43a2c00ed748733c544c0bb4d",
    "442071838750": "8d5f937f3a5590634cbe975951a6aa1543170671ce6e73cce4062f4e8c288417",
    "+4915112345678": "536afd523e19dc83fccba822ef5e4ca646111314aaf0aa286667c5bea18dd70b",
    "5f3a2b18-9c4d-4e7f-b8e2-17d3a1e69b25": (
        "83dc3f5f32b9472613b0f038d36f22585a609d018af6f6067f50da318bf354bd"
    ),
    "aece52e7-03ee-455a-b3c4-e57283966239": (
        "e6a11334660bb4c2d68090399aaf9d80b433a569b993c5e32e6cad9bcf550e11"
    ),
    "38400000-8cf0-11bd-b23e-10b96e40000d": (
        "d4181bb455a74b3bc8b37c75ac9b2c702eb6b9930bd040b861403b31ca85634d"
    ),
    "6d92078a-8246-4ba4-ae5b-76104861e7dc": (
        "31b806b4deec8c4cb1ffb18b9ab4ee1fa82a2b30e1f47902f04d03f5db023376"
    ),
}
# an example of the format only in TikTok's text
INVALID_NUMBERS = {"+1231234567", "1231234567"}


@pytest.mark.parametrize(("value", "expected"), HASHES.items())
def test_the_digest_is_sha256_of_utf_8_without_salt(value, expected):
    assert normalise.digest(value).hex() == expected


def test_an_email_keeps_its_dots_and_its_tag():
    result = normalise.normalise("email", RAW_EMAIL, region="DE")
    expected = "jane.doe+news@example.com"
    assert (result.value, result.sha256.hex()) == (expected, HASHES[expected])


@pytest.mark.parametrize("value", [v for v in HASHES if v[0] == "+" and v not in INVALID_NUMBERS])
def test_phones_are_hashed_with_and_without_plus(value):
    result = normalise.normalise("phone", value, region="DE")
    without_plus = normalise.alternative("phone", result)
    assert (result.sha256.hex(), without_plus.hex()) == (
        HASHES[value],
        HASHES.get(value[1:]) or normalise.digest(value[1:]).hex(),
    )


@pytest.mark.parametrize("value", [v for v in HASHES if v.count("-") == 4])
@pytest.mark.parametrize("kind", ["idfa", "gaid"])
def test_device_ids_are_hashed_in_lower_case(kind, value):
    result = normalise.normalise(kind, f" {value.upper()} ", region="DE")
    assert result.sha256.hex() == HASHES[value]


def test_the_upper_case_digest_is_never_produced():
    wrong = "0bb5fc79a4f7eff666b5f7ec85fa11610c88d0dd7588fae1609491722336fbbf"
    result = normalise.normalise("idfa", "5F3A2B18-9C4D-4E7F-B8E2-17D3A1E69B25", region="DE")
    assert result.sha256.hex() != wrong


@pytest.mark.parametrize("kind", normalise.KINDS)
@pytest.mark.parametrize("raw", ["", "   ", "\t\n", "\u00a0", None])
def test_an_empty_value_is_not_hashed(kind, raw):
    assert normalise.normalise(kind, raw, region="DE") == (None, None, "empty")


def test_the_hash_of_an_empty_value_is_refused():
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert normalise.normalise("email", empty, region="DE").problem == "invalid"
