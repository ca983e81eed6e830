"""Hashes by the former rule: to find profiles hashed by it, and to remove its hashes."""

import phonenumbers

from audiencesync.people.identifiers import phones
from audiencesync.people.identifiers.normalise import Rule, digest, normalise, plain_email
from audiencesync.people.identifiers.phones import PhoneReading


def _phone(raw: str, region: str) -> PhoneReading:
    number = raw if phones.is_clean(raw) else phones.parse(raw, region)
    return PhoneReading(number, None if number else "invalid")


FORMER_RULE = Rule(plain_email, _phone, clean=str)


def former_hashes(kind: str, raw: str, *, region: str) -> set[bytes]:
    """Return the hashes that the former rule may have made of a value, in any of its spellings."""
    current = normalise(kind, raw, region=region)
    former = normalise(kind, raw, region=region, rule=FORMER_RULE).sha256
    hashes = {former}
    if current.value is not None and current.sha256 == digest(current.value):  # else raw is a hash
        spellings = _former_phones(current.value, region) if kind == "phone" else None
        hashes |= set(map(digest, spellings or _former_emails(current.value)))
    return {sha256 for sha256 in hashes if sha256 is not None and sha256 != current.sha256}


def _former_phones(number: str, region: str) -> list[str]:
    """Return the numbers that the former rule may have hashed for this one.

    It read digits without a plus as a national number, and the ".0" of a decimal as more digits.
    """
    as_national = f"+{phonenumbers.country_code_for_region(region.upper())}{number[1:]}"
    return [spelling + zeros for spelling in (number, as_national) for zeros in ("", "0", "00")]


def _former_emails(address: str) -> list[str]:
    """Return the addresses that the former rule may have hashed: it kept the dot of a Turkish İ."""
    local, at, domain = address.rpartition("@")
    dotted = local.replace("i", "i\u0307")
    return [dotted + at + domain, (dotted + at + domain.replace("i", "i\u0307"))]
