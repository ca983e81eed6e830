"""100,000 values, clean, odd and broken: the short cut and the libraries judge every one of them alike."""

import random

import email_validator
import pytest

from audiencesync.people.identifiers import normalise, phones
from audiencesync.people.identifiers.normalise import digest, hash_rows
from tests.people.identifiers.test_hash_rows import EXAMPLES

N = 50_000  # of each kind
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


def email(dice):
    """Mostly an address as people have them; every third is damaged in one or two places."""
    word = "".join(dice.choices(LETTERS + "._+-", k=dice.randint(1, 34)))
    host = "".join(dice.choices(LETTERS + "-", k=dice.randint(1, 24)))
    value = f"{word}@{host}.{dice.choice(DOMAINS)}"
    return _damaged(value, dice, ODD + LETTERS.upper()) if dice.random() < 0.34 else value


def phone(dice):
    """A number that exists somewhere, with other last digits; every third is written otherwise, or damaged."""
    known = dice.choice(EXAMPLES)
    n = dice.randint(0, 6)
    value = known[: len(known) - n] + "".join(dice.choices("0123456789", k=n))
    way = dice.random()
    if way < 0.1:
        return f"{value[:3]} ({value[3:5]}) {value[5:]}"
    if way < 0.2:
        return value.replace("+", dice.choice(["00", "", "0", " +", "+ "]), 1)
    return _damaged(value, dice, "0123456789 +-/x\u0663\uff15") if way < 0.34 else value


def _damaged(value, dice, letters):
    for _ in range(dice.randint(1, 2)):
        place = dice.randrange(len(value))
        value = (
            value[:place]
            + dice.choice(["", dice.choice(letters)])
            + value[place + dice.randint(0, 1) :]
        )
    return value


def email_by_the_library(raw):
    value = normalise.email_d(raw)
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
    ("make", "bit", "library", "short"),
    [
        (email, 0, email_by_the_library, lambda raw: normalise._clean_email(raw.lower())),
        (phone, 1, phone_by_the_library, phones.is_clean),
    ],
    ids=["e-mails", "phones"],
)
def test_both_ways_agree(monkeypatch, make, bit, library, short):
    dice = random.Random(20261123)
    values = [make(dice) for _ in range(N)]
    rows = [(raw, "", "", "") if bit == 0 else ("", raw, "", "") for raw in values]
    found = [(row[bit], bool(row.invalid >> bit & 1)) for row in hash_rows(rows, region="DE")]
    n_short = sum(map(bool, map(short, values)))
    monkeypatch.setattr(phones, "is_clean", lambda _raw: False)
    expected = [
        (one, bool(raw.strip()) and one is None) for raw in values for one in [library(raw)]
    ]
    wrong = [
        (raw, got)
        for raw, got, should in zip(values, found, expected, strict=True)
        if got != should
    ]
    assert wrong == []
    n_valid = sum(one is not None for one, _ in found)
    assert (
        N * 0.1 < n_short < n_valid < N * 0.95
    )  # neither way judges next to nothing, nor is everything valid
