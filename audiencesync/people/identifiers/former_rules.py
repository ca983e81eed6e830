"""Hashes by the former rule: profiles hashed by it are found, and its hashes leave audiences."""

import phonenumbers

from audiencesync.people.identifiers import phones
from audiencesync.people.identifiers.normalise import Rule, digest, normalise, plain_email
from audiencesync.people.identifiers.phones import PhoneReading


def _phone(raw: str, region: str) -> PhoneReading:
    number = raw if phones.is_clean(raw) else phones.parse(raw, region)
    return PhoneReading(number, None if number else "invalid")


FORMER_RULE = Rule(plain_email, _phone, clean=str)


def hashes_before(kind: str, raw: str, *, region: str) -> set[bytes]:
    """Return the hashes by the former rule of a value or of other spellings of it."""
    current = normalise(kind, raw, region=region)
    former = normalise(kind, raw, region=region, rule=FORMER_RULE).sha256
    found = {former}
    if current.value is not None and current.sha256 == digest(current.value):  # else it is a hash
        spell = _phones_before(current.value, region) if kind == "phone" else None
        found |= set(map(digest, spell or _emails_before(current.value)))
    return {one for one in found if one is not None and one != current.sha256}


def _phones_before(number: str, region: str) -> list[str]:
    """Return former spellings: digits without a plus as national, ".0" of a decimal as digits."""
    at_home = f"+{phonenumbers.country_code_for_region(region.upper())}{number[1:]}"
    return [spelt + zeros for spelt in (number, at_home) for zeros in ("", "0", "00")]


def _emails_before(address: str) -> list[str]:
    """Return former spellings: the dot of a Turkish capital I was kept."""
    local, at, domain = address.rpartition("@")
    dotted = local.replace("i", "i\u0307")
    return [dotted + at + domain, (dotted + at + domain.replace("i", "i\u0307"))]
