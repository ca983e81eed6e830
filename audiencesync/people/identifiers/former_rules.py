"""What a hash was by the rule before: people sent under it are found, and taken out of audiences."""

import phonenumbers

from audiencesync.people.identifiers import normalise


def hashes_before(kind: str, raw: str, *, region: str) -> set[bytes]:
    """What the old rule may have made of a value, or of another spelling of the number that it means."""
    told = normalise.normalise(kind, raw, region=region)
    old = normalise.normalise(kind, raw, region=region, rule=normalise.BEFORE).sha256
    if told.value is None or told.sha256 != normalise.digest(told.value):  # a hash
        return {old} - {told.sha256, None}  # type: ignore[return-value]  # without None
    spelt = _phones_before(told.value, region) if kind == "phone" else _emails_before(told.value)
    return {old, *map(normalise.digest, spelt)} - {told.sha256, None}  # type: ignore[return-value]  # without None


def _phones_before(number: str, region: str) -> list[str]:
    """Its digits without a plus were a number at home, and a decimal's zeros were digits."""
    at_home = f"+{phonenumbers.country_code_for_region(region.upper())}{number[1:]}"
    return [spelt + zeros for spelt in (number, at_home) for zeros in ("", "0", "00")]


def _emails_before(address: str) -> list[str]:
    """The dot of a Turkish capital I stayed."""
    local, at, domain = address.rpartition("@")
    dotted = local.replace("i", "i\u0307")
    return [dotted + at + domain, (dotted + at + domain.replace("i", "i\u0307"))]
