"""The fast path and the libraries agree on 40,000 clean, odd and broken values."""

import random

import email_validator
import pytest

from audiencesync.people.identifiers import normalise, phones
from audiencesync.people.identifiers.normalise import digest, hash_rows
from tests.people.identifiers.test_hash_rows import EXAMPLES

N_VALUES = 20_000  # of each kind
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
ODD = "._+-'@ \u00e4\u0130\uff20\u00df!\t"
DOMAINS = [
    "com",
    "org",
    "de",
    "co.uk",
    "example",
    "test",
    "local",
    "arpa",
    "c1",
    "xn--p1ai",
    "m\u00fcnchen",
    "",
]


def email(rng):
    """Return a realistic address; every third is damaged in one or two places."""
    word = "".join(rng.choices(LETTERS + "._+-", k=rng.randint(1, 34)))
    host = "".join(rng.choices(LETTERS + "-", k=rng.randint(1, 24)))
    value = f"{word}@{host}.{rng.choice(DOMAINS)}"
    return _damaged(value, rng, ODD + LETTERS.upper()) if rng.random() < 0.34 else value


def phone(rng):
    """Return an existing number with other last digits.

    Every third is spelt in another way, or damaged.
    """
    example = rng.choice(EXAMPLES)
    n = rng.randint(0, 6)
    value = example[: len(example) - n] + "".join(rng.choices("0123456789", k=n))
    spelling = rng.random()
    if spelling < 0.1:
        return f"{value[:3]} ({value[3:5]}) {value[5:]}"
    if spelling < 0.2:
        return value.replace("+", rng.choice(["00", "", "0", " +", "+ "]), 1)
    return _damaged(value, rng, "0123456789 +-/x\u0663\uff15") if spelling < 0.34 else value


def _damaged(value, rng, letters):
    for _ in range(rng.randint(1, 2)):
        place = rng.randrange(len(value))
        value = (
            value[:place]
            + rng.choice(["", rng.choice(letters)])
            + value[place + rng.randint(0, 1) :]
        )
    return value


def email_by_the_library(raw):
    value = normalise.email_spelling(raw)
    try:
        email_validator.validate_email(value, check_deliverability=False)
    except email_validator.EmailNotValidError:
        return None
    return digest(value)


def phone_by_the_library(raw):
    number = phones.read(raw.strip(), "DE").number
    return digest(number) if number else None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "bit", "library", "is_fast"),
    [
        (email, 0, email_by_the_library, lambda raw: normalise._clean_email(raw.lower())),
        (phone, 1, phone_by_the_library, phones.is_clean),
    ],
    ids=["e-mails", "phones"],
)
def test_the_fast_path_and_the_library_agree(monkeypatch, make, bit, library, is_fast):
    rng = random.Random(20261123)
    values = [make(rng) for _ in range(N_VALUES)]
    rows = [(raw, "", "", "") if bit == 0 else ("", raw, "", "") for raw in values]
    pairs = [(row[bit], bool(row.invalid >> bit & 1)) for row in hash_rows(rows, region="DE")]
    n_fast = sum(map(bool, map(is_fast, values)))
    monkeypatch.setattr(phones, "is_clean", lambda _raw: False)
    expected = [
        (one, bool(raw.strip()) and one is None) for raw in values for one in [library(raw)]
    ]
    wrong = [
        (raw, got)
        for raw, got, should in zip(values, pairs, expected, strict=True)
        if got != should
    ]
    assert wrong == []
    n_valid = sum(one is not None for one, _ in pairs)
    # the sample must exercise both paths, and contain invalid values
    assert N_VALUES * 0.1 < n_fast < n_valid < N_VALUES * 0.95
