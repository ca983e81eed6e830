"""E-mail, phone, IDFA and GAID -> the one spelling a partner expects, and its SHA-256. Rules are versioned.

A removal needs the identical hash that was once added: never change a rule, add one.
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
from audiencesync.people.identifiers.phones import Reading
from audiencesync.people.models import KINDS, Profile
from audiencesync.people.readings import placeholders

RULE_VERSION = 7
BEFORE = (
    1  # the rule that phones and e-mails were hashed by until it took some for numbers of others
)
LONGEST_EMAIL = 254
ZERO = "00000000-0000-0000-0000-000000000000"  # what a device says whose owner refuses tracking
Problem = Literal["empty", "invalid", "ambiguous", "spreadsheet"]  # the last two: of phones
Digest = bytes | None
Raw = tuple[str, str, str, str]  # in the order of KINDS
CHUNK = 4096

_HASHED = re.compile(r"[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
_NOTHING = frozenset(
    {sha256(b"").digest(), sha256(ZERO.encode()).digest()}
)  # hashed by somebody, but nobody's
_EMAIL = (  # a part of what the library accepts, by far the most common one
    rf"(?!{placeholders.EMAIL}@)"
    r"[a-z0-9_+-]{1,31}(?:\.[a-z0-9_+-]{1,31})?@(?:[a-z0-9]{1,20}(?:-[a-z0-9]{1,20})?\.){1,3}"
    r"(?!(?:arpa|invalid|local|localhost|onion|test)$)[a-z]{2,20}"
)
_DEVICE = rf"(?!{ZERO})[0-9a-f]{{8}}-(?:[0-9a-f]{{4}}-){{3}}[0-9a-f]{{12}}"
_clean_email = re.compile(_EMAIL).fullmatch
_device_id = re.compile(_DEVICE).fullmatch
_EMAIL_LINES = re.compile(f"^(?:({_EMAIL})$|.*$)".encode(), re.MULTILINE)
_DEVICE_LINES = re.compile(f"^(?:({_DEVICE})$|.*$)".encode(), re.MULTILINE)


class Normalised(NamedTuple):
    """One identifier, judged: ``value`` is what was hashed (hashed input: the hash in hex), or there is a problem."""

    value: str | None
    sha256: Digest
    problem: Problem | None


class Hashes(NamedTuple):
    """What a profile stores of its identifiers. ``invalid``: bit i set if KINDS[i] is present but unusable."""

    email: Digest
    phone: Digest
    idfa: Digest
    gaid: Digest
    invalid: int


_AS_HASHES: Callable[[Iterable[object]], Hashes] = partial(
    tuple.__new__, Hashes
)  # Hashes._make without its checks


def email_a(raw: str) -> str:
    """Variant A, TikTok's newest page: all white space goes, lower case. Full-width letters become plain ones."""
    return "".join(unicodedata.normalize("NFKC", raw).split()).lower()


def email_b(raw: str) -> str:
    """Variant B: as A, and ``+tag`` is cut."""
    local, at, domain = email_a(raw).rpartition("@")
    return local.split("+", 1)[0] + at + domain


def email_c(raw: str) -> str:
    """Variant C: as B, and the dots before the @ are cut, whatever the domain."""
    local, at, domain = email_b(raw).rpartition("@")
    return local.replace(".", "") + at + domain


def email_d(raw: str) -> str:
    """As A, but words beside a whole address are no part of it: they stay, and nothing is an address with them.

    What cannot be seen goes, a Turkish capital I with its dot becomes a plain i, an ideographic full stop a dot.
    """
    text = visible(raw).replace("\u3002", ".")
    words = unicodedata.normalize("NFKC", text).split()
    if len(words) > 1 and any(map(_WHOLE_EMAIL.fullmatch, words)):
        return " ".join(words)
    return email_a(text).replace("i\u0307", "i")


# Signs of variation, fillers and joiners of other categories than Cf (Unicode: Default_Ignorable_Code_Point)
_WHOLE_EMAIL = re.compile(r"[^@]+@[^@]+\.[^@]+")
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def visible(raw: str) -> str:
    """Without characters that nobody sees and a copied cell often has: zero-width ones, marks of direction and order."""
    if raw.isascii():
        return raw
    return _UNSEEN.sub("", "".join(one for one in raw if unicodedata.category(one) != "Cf"))


def said(raw: str) -> str:
    """What of a value counts: nothing of a placeholder, or of what cannot be seen."""
    text = visible(raw).strip()
    return "" if placeholders.is_placeholder(text) else text


def is_unsaid(raw: str) -> bool:
    """Whether a value that is there says nothing. An empty one may be meant: somewhere it deletes."""
    return bool(raw) and not said(raw)


def is_refusal(kind: str, raw: str) -> bool:
    """Whether a device says by its id, which nobody can be found by, that its owner refuses tracking."""
    return kind in ("idfa", "gaid") and raw.strip() in (ZERO, digest(ZERO).hex())


def phone_with_plus(raw: str, region: str) -> Reading:
    """E.164 as it is written, such as +442071838750, of whatever the library makes a number of."""
    number = raw if phones.is_clean(raw) else phones.parse(raw, region)
    return Reading(number, None if number else "invalid")


def phone_without_plus(raw: str, region: str) -> Reading:
    """E.164 without its plus."""
    number, problem = phone_with_plus(raw, region)
    return Reading(number and number[1:], problem)


@dataclass(frozen=True, slots=True)
class Rule:
    """How e-mails and phones are spelt before hashing. Device ids have one spelling only."""

    email: Callable[[str], str]
    phone: Callable[[str, str], Reading]
    clean: Callable[[str], str] = str  # before anything is judged


RULES = {
    1: Rule(email_a, phone_with_plus),
    2: Rule(email_b, phone_with_plus),
    3: Rule(email_c, phone_with_plus),
    4: Rule(email_a, phone_without_plus),
    5: Rule(email_b, phone_without_plus),
    6: Rule(email_c, phone_without_plus),
    7: Rule(email_d, phones.read, said),
}


def is_email(value: str) -> bool:
    """Whether ``value``, already normalised, is an address somebody could have. Nobody is asked over the network."""
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
    """An IDFA or GAID in lower case with its hyphens; None if it is none, or all zeros."""
    value = raw.strip().lower()
    return value if _device_id(value) else None


def digest(value: str) -> bytes:
    """SHA-256 of a normalised value: 32 bytes."""
    return sha256(value.encode()).digest()


def _spelling(kind: str, raw: str, region: str, rule: Rule) -> tuple[str | None, Problem | None]:
    """What is hashed of one raw value; or None, and why."""
    if kind == "phone":
        return rule.phone(raw, region)
    if kind == "email":
        email = rule.email(raw)
        value = email if is_email(email) else None
    else:
        value = device_id(raw)
    return value, None if value else "invalid"


def normalise(kind: str, raw: str | None, *, region: str, rule: int = RULE_VERSION) -> Normalised:
    """Judge one raw identifier. Empty and invalid values are never hashed; 64 hex digits count as a hash already."""
    chosen = RULES[rule]
    text = chosen.clean(raw or "").strip()
    if not text:
        return Normalised(None, None, "empty")
    if _HASHED.fullmatch(text):
        hashed = bytes.fromhex(text)
        return (
            Normalised(None, None, "invalid")
            if hashed in _NOTHING
            else Normalised(text.lower(), hashed, None)
        )
    value, problem = _spelling(kind, text, region, chosen)
    return Normalised(value, digest(value), None) if value else Normalised(None, None, problem)


def is_hash_of(told: str, known: Digest) -> bool:
    """Whether somebody tells the hash of what is known: it says nothing new, and must not replace what can be read."""
    return known is not None and told.strip().lower() == known.hex()


def hash_rows(rows: Iterable[Raw], *, region: str, rule: int = RULE_VERSION) -> Iterator[Hashes]:
    """Hashes of many people from their raw (e-mail, phone, IDFA, GAID), in order. Clean values take a short cut."""
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK)):
        invalid = [0] * len(chunk)
        digests = [
            _column(KINDS[bit], column, invalid, region=region, rule=rule)
            for bit, column in enumerate(zip(*chunk, strict=True))
        ]
        yield from map(_AS_HASHES, zip(*digests, invalid, strict=True))


def _column(
    kind: str, raws: Sequence[str], invalid: list[int], *, region: str, rule: int
) -> list[Digest]:
    """The digests of one column; sets the bit of ``kind`` in ``invalid`` where a value is unusable."""
    if not any(raws):
        return [None] * len(raws)
    if kind == "phone":
        patterns = phones.PATTERNS
        clean = [raw.encode() if raw and patterns[raw[1:4]].fullmatch(raw) else b"" for raw in raws]
    else:
        clean = _clean_lines(kind, raws)
    if RULES[rule] is not RULES[RULE_VERSION] and kind in ("email", "phone"):
        clean = [b""] * len(raws)
    digests: list[Digest] = [sha256(value).digest() if value else None for value in clean]
    bit = 1 << KINDS.index(kind)
    for place in (
        ()
        if all(clean)
        else [place for place, value in enumerate(clean) if not value and raws[place]]
    ):
        _, digests[place], problem = normalise(kind, raws[place], region=region, rule=rule)
        if problem not in (None, "empty"):
            invalid[place] |= bit
    return digests


def _clean_lines(kind: str, raws: Sequence[str]) -> list[bytes]:
    """For each value its normalised bytes if one look is enough, else nothing. One expression reads them all."""
    try:
        text = "\n".join(raws).lower().encode()
    except UnicodeEncodeError:
        return [b""] * len(raws)
    found = (_EMAIL_LINES if kind == "email" else _DEVICE_LINES).findall(text)
    return (
        found if len(found) == len(raws) else [b""] * len(raws)
    )  # a value with a line break inside


def _hash_row(row: Raw, region: str, rule: int) -> Hashes:
    """Hashes of one person, every value judged in full."""
    found = [
        normalise(kind, raw, region=region, rule=rule) for kind, raw in zip(KINDS, row, strict=True)
    ]
    invalid = sum(1 << bit for bit, one in enumerate(found) if one.problem not in (None, "empty"))
    email, phone, idfa, gaid = (one.sha256 for one in found)
    return Hashes(email, phone, idfa, gaid, invalid)


def apply(profile: Profile, *, region: str, rule: int = RULE_VERSION) -> None:
    """Set what ``profile`` stores of its identifiers from their raw values; the caller saves it."""
    found = _hash_row((profile.email, profile.phone, profile.idfa, profile.gaid), region, rule)
    store(profile, found, rule=rule)


def store(profile: Profile, found: Hashes, *, rule: int = RULE_VERSION) -> None:
    """Write hashes, as ``hash_rows`` gives them, into the columns of ``profile``; the caller saves it."""
    profile.email_sha256, profile.phone_sha256 = found.email, found.phone
    profile.idfa_sha256, profile.gaid_sha256 = found.idfa, found.gaid
    profile.invalid_kinds, profile.rule_version = found.invalid, rule


def stored(profile: Profile) -> Hashes:
    """The hashes in the columns of ``profile`` now: take them before ``apply`` to know what changed."""
    columns = (getattr(profile, f"{kind}_sha256") for kind in KINDS)
    email, phone, idfa, gaid = (None if column is None else bytes(column) for column in columns)
    return Hashes(email, phone, idfa, gaid, profile.invalid_kinds)
