"""Identifiers (e-mail, phone, IDFA, GAID) in the spelling that partners expect, and their SHA-256.

A removal must send the hash that was once added. So a change of the spelling needs a new
RULE_VERSION, and former_rules.py keeps the former rule.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Literal, NamedTuple

import email_validator

from audiencesync.people.identifiers import phones
from audiencesync.people.identifiers.phones import PhoneReading
from audiencesync.people.models import KINDS
from audiencesync.people.parsers import placeholders

RULE_VERSION = 8  # version 7 had the same spellings, but stored no alternative hashes
LONGEST_EMAIL = 254  # characters
ZERO = "00000000-0000-0000-0000-000000000000"  # the device id when its owner refuses tracking
GMAIL = ("gmail.com", "googlemail.com")
# "ambiguous" and "spreadsheet" are problems of phones only.
IdentifierProblem = Literal["empty", "invalid", "ambiguous", "spreadsheet"]
Digest = bytes | None
Raw = tuple[str, str, str, str]  # in the order of KINDS
CHUNK = 4096  # rows hashed at once

_HASHED = re.compile(r"[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
# Hashes of no value: systems that hash every cell send them for profiles without one.
_HASHES_OF_NO_VALUE = frozenset({sha256(b"").digest(), sha256(ZERO.encode()).digest()})
_HASH_OF_ZERO = sha256(ZERO.encode()).hexdigest()
# The device id of zeros, also without hyphens or in braces, as programs for Windows write a UUID.
_ZEROS = re.compile(r"\{?0{8}-?(?:0{4}-?){3}0{12}\}?")
_EMAIL = (  # matches the most common addresses; the library accepts all of these and others
    rf"(?!{placeholders.EMAIL_LOCAL_PART}@)"
    r"[a-z0-9_+-]{1,31}(?:\.[a-z0-9_+-]{1,31})?@(?:[a-z0-9]{1,20}(?:-[a-z0-9]{1,20})?\.){1,3}"
    r"(?!(?:arpa|invalid|local|localhost|onion|test)$)[a-z]{2,20}"
)
_DEVICE = rf"(?!{ZERO})[0-9a-f]{{8}}-(?:[0-9a-f]{{4}}-){{3}}[0-9a-f]{{12}}"
_clean_email = re.compile(_EMAIL).fullmatch
_device_id = re.compile(_DEVICE).fullmatch
_EMAIL_LINES = re.compile(f"^(?:({_EMAIL})$|.*$)".encode(), re.MULTILINE)
_DEVICE_LINES = re.compile(f"^(?:({_DEVICE})$|.*$)".encode(), re.MULTILINE)
_WHOLE_EMAIL = re.compile(r"[^@]+@[^@]+\.[^@]+")
# Signs of variation, fillers and joiners outside Cf (Unicode: Default_Ignorable_Code_Point)
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
_AT_GMAIL = tuple(f"@{domain}".encode() for domain in GMAIL)


class Normalised(NamedTuple):
    """A normalised identifier, or a problem. ``value``: the hashed text, or the hash if given."""

    value: str | None
    sha256: Digest
    problem: IdentifierProblem | None


class Hashes(NamedTuple):
    """The hashes that a profile stores. ``invalid``: bit i set if KINDS[i] is present but unusable.

    ``email_gmail`` and ``phone_digits`` are the alternative hashes; None for hashed input.
    """

    email: Digest
    phone: Digest
    idfa: Digest
    gaid: Digest
    invalid: int
    email_gmail: Digest = None
    phone_digits: Digest = None


# Hashes._make without its checks
_make_hashes: Callable[[Iterable[object]], Hashes] = partial(tuple.__new__, Hashes)


def plain_email(raw: str) -> str:
    """Return an e-mail without white space, in lower case, with full-width letters made plain."""
    return "".join(unicodedata.normalize("NFKC", raw).split()).lower()


def email_spelling(raw: str) -> str:
    """Return an e-mail in the spelling that is hashed; `is_email` checks whether it is an address.

    Invisible characters are removed, a Turkish İ becomes a plain i, and an ideographic full stop a
    dot. Other words beside an address are kept, so that `is_email` rejects the result.
    """
    text = visible(raw).replace("\u3002", ".")
    words = unicodedata.normalize("NFKC", text).split()
    if len(words) > 1 and any(map(_WHOLE_EMAIL.fullmatch, words)):
        return " ".join(words)
    return plain_email(text).replace("i\u0307", "i")


def gmail_spelling(address: str) -> str:
    """Return a normalised address without the dots and the +tag that Gmail ignores.

    Addresses of other providers are returned unchanged. If nothing remained before the @, that
    part is kept.
    """
    local, at, domain = address.rpartition("@")
    if domain not in GMAIL:
        return address
    return (local.split("+", 1)[0].replace(".", "") or local) + at + domain


def visible(raw: str) -> str:
    """Return the text without zero-width characters and marks of direction."""
    if raw.isascii():
        return raw
    return _INVISIBLE.sub(
        "", "".join(character for character in raw if unicodedata.category(character) != "Cf")
    )


def without_placeholder(raw: str) -> str:
    """Return the visible text, or nothing if it is a placeholder such as ``n/a``."""
    text = visible(raw).strip()
    return "" if placeholders.is_placeholder(text) else text


def is_placeholder(raw: str) -> bool:
    """Return whether a value is a placeholder such as ``n/a``, or invisible characters only.

    The empty text is not a placeholder: it may delete the stored value.
    """
    return bool(raw) and not without_placeholder(raw)


def is_tracking_refusal(kind: str, raw: str) -> bool:
    """Return whether a device id is the one of zeros, however spelt, or its hash."""
    if kind not in ("idfa", "gaid"):
        return False
    text = visible(raw).strip().lower()
    return _ZEROS.fullmatch(text) is not None or text == _HASH_OF_ZERO


@dataclass(frozen=True, slots=True)
class Rule:
    """How e-mails and phones are spelt before hashing. Device ids have one spelling only."""

    email: Callable[[str], str]
    phone: Callable[[str, str], PhoneReading]
    clean: Callable[[str], str]  # applied first, to values of every kind


CURRENT_RULE = Rule(email_spelling, phones.read, without_placeholder)


def is_email(value: str) -> bool:
    """Return whether a normalised value is a valid address, without a query to a mail server."""
    if len(value) > LONGEST_EMAIL:
        return False
    if _clean_email(value):
        return True
    if value.count("@") != 1 and '"' not in value:  # the library says no as well, but takes long
        return False
    try:
        email_validator.validate_email(value, check_deliverability=False)
    except email_validator.EmailNotValidError:
        return False
    return True


def device_id(raw: str) -> str | None:
    """Return an IDFA or GAID in lower case with its hyphens; None if invalid or all zeros."""
    value = raw.strip().lower()
    return value if _device_id(value) else None


def digest(value: str) -> bytes:
    """Return the SHA-256 of a normalised value: 32 bytes."""
    return sha256(value.encode()).digest()


def _spelling(
    kind: str, raw: str, region: str, rule: Rule
) -> tuple[str | None, IdentifierProblem | None]:
    if kind == "phone":
        return rule.phone(raw, region)
    if kind == "email":
        email = rule.email(raw)
        value = email if is_email(email) else None
    else:
        value = device_id(raw)
    return value, None if value else "invalid"


def normalise(kind: str, raw: str | None, *, region: str, rule: Rule = CURRENT_RULE) -> Normalised:
    """Normalise and hash one raw identifier; 64 hex digits are taken for its hash."""
    text = rule.clean(raw or "").strip()
    if not text:
        return Normalised(None, None, "empty")
    if _HASHED.fullmatch(text):
        given_hash = bytes.fromhex(text)
        if given_hash in _HASHES_OF_NO_VALUE:
            return Normalised(None, None, "invalid")
        return Normalised(text.lower(), given_hash, None)
    value, problem = _spelling(kind, text, region, rule)
    return Normalised(value, digest(value), None) if value else Normalised(None, None, problem)


def alternative(kind: str, normalised: Normalised) -> Digest:
    """Return the hash of an e-mail by Gmail's rule, or of a phone without its plus.

    None for hashed input, of which no other spelling can be computed, and for device ids.
    """
    value = normalised.value
    if value is None or normalised.sha256 is None or value == normalised.sha256.hex():
        return None
    if kind == "phone":
        return digest(value[1:])
    return digest(gmail_spelling(value)) if kind == "email" else None


def is_hash_of(given: str, known: Digest) -> bool:
    """Return whether a given value is the hash of a known one, which it must not replace."""
    return known is not None and given.strip().lower() == known.hex()


def hash_rows(rows: Iterable[Raw], *, region: str) -> Iterator[Hashes]:
    """Yield the hashes of raw (e-mail, phone, IDFA, GAID), in order."""
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK)):
        invalid = [0] * len(chunk)
        emails, phone_numbers, *devices = zip(*chunk, strict=True)
        email_hashes, gmail_hashes = _column("email", emails, invalid, region=region)
        phone_hashes, digit_hashes = _column("phone", phone_numbers, invalid, region=region)
        idfa_hashes, gaid_hashes = (
            _column(kind, column, invalid, region=region)[0]
            for kind, column in zip(KINDS[2:], devices, strict=True)
        )
        yield from map(
            _make_hashes,
            zip(
                email_hashes,
                phone_hashes,
                idfa_hashes,
                gaid_hashes,
                invalid,
                gmail_hashes,
                digit_hashes,
                strict=True,
            ),
        )


def _column(
    kind: str, raws: Sequence[str], invalid: list[int], *, region: str
) -> tuple[list[Digest], list[Digest]]:
    """Return the hashes and alternative hashes of a column.

    In ``invalid``, the bit of this kind is set for unusable values.
    """
    if not any(raws):
        return [None] * len(raws), [None] * len(raws)
    if kind == "phone":
        patterns = phones.PATTERNS
        clean_values = [
            raw.encode() if raw and patterns[raw[1:4]].fullmatch(raw) else b"" for raw in raws
        ]
    else:
        clean_values = _clean_lines(kind, raws)
    digests: list[Digest] = [sha256(value).digest() if value else None for value in clean_values]
    alternatives = _alternatives(kind, clean_values, digests)
    bit = 1 << KINDS.index(kind)
    for index, value in () if all(clean_values) else enumerate(clean_values):
        if value or not raws[index]:
            continue
        normalised = normalise(kind, raws[index], region=region)
        digests[index], alternatives[index] = normalised.sha256, alternative(kind, normalised)
        if normalised.problem not in (None, "empty"):
            invalid[index] |= bit
    return digests, alternatives


def _alternatives(kind: str, clean: list[bytes], digests: list[Digest]) -> list[Digest]:
    """Return the alternative hashes of clean values; outside Gmail, an e-mail's main hash."""
    if kind == "phone":
        return [sha256(value[1:]).digest() if value else None for value in clean]
    if kind == "email":
        return [
            digest(gmail_spelling(value.decode())) if value.endswith(_AT_GMAIL) else main_hash
            for value, main_hash in zip(clean, digests, strict=True)
        ]
    return [None] * len(clean)


def _clean_lines(kind: str, raws: Sequence[str]) -> list[bytes]:
    """Return each value that needs no library as normalised bytes; b"" for all others.

    One search of a regular expression reads all values, each in a line of its own.
    """
    try:
        text = "\n".join(raws).lower().encode()
    except UnicodeEncodeError:
        return [b""] * len(raws)
    lines = (_EMAIL_LINES if kind == "email" else _DEVICE_LINES).findall(text)
    # A value with a line break inside would shift all after it.
    return lines if len(lines) == len(raws) else [b""] * len(raws)
