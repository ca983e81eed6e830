"""Which phone numbers are clean: E.164 as the library would write it, judged by one compiled pattern per country code.

The patterns are made from the library's own metadata and say yes only where ``phonenumbers`` would say the same;
whatever they do not know (national spellings, spaces, rare regions) goes to the library.
"""

from __future__ import annotations

import re
from functools import cache

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberFormat

LONGEST = 250  # the library's own limit
_TYPES = (
    "mobile",
    "fixed_line",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)
_NEVER = re.compile(r"(?!)")


def parse(raw: str, region: str) -> str | None:
    """The number in E.164 with its plus, or None if it is no valid one. ``region``: where national numbers are from."""
    if not any(map(str.isdigit, raw)):  # the library says no as well, but takes long
        return None
    try:
        number = phonenumbers.parse(raw, region.upper() or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def is_clean(raw: str) -> bool:
    """Whether ``raw`` is already what ``parse`` would answer."""
    return PATTERNS[raw[1:4]].fullmatch(raw) is not None


def _of_type(metadata: PhoneMetadata, name: str) -> str | None:
    """A pattern of the national numbers of one type, such as mobile."""
    desc = getattr(metadata, name)
    if desc is None or not desc.national_number_pattern:
        return None
    general = metadata.general_desc
    lengths = desc.possible_length or (general.possible_length if general else ())
    sizes = "|".join(rf"[0-9]{{{size}}}$" for size in lengths if size > 0)
    return f"(?:(?={sizes})(?:{desc.national_number_pattern})$)" if sizes else None


def _valid_in(region: str) -> str:
    """A pattern of the valid national numbers of one region."""
    metadata = PhoneMetadata.metadata_for_region(region)
    found = (_of_type(metadata, name) for name in _TYPES) if metadata else ()
    return "|".join(filter(None, found)) or "(?!)"


@cache
def _pattern(code: int) -> re.Pattern[str]:
    """The pattern of clean numbers of one country code. Its regions are asked in the library's own order."""
    regions = COUNTRY_CODE_TO_REGION_CODE[code]
    main = PhoneMetadata.metadata_for_region(regions[0])
    if main is None:  # a code of no country, such as that of satellites
        return _NEVER
    claimed, branches = "(?!)", []
    for region in regions:
        metadata = PhoneMetadata.metadata_for_region(region)
        leading = metadata.leading_digits if metadata else None
        branches.append(f"(?!{claimed})(?={leading or ''})(?:{_valid_in(region)})")
        claimed = f"{claimed}|{leading}" if leading else claimed
    cut = main.national_prefix_for_parsing or "(?!)"  # the library might take it away
    return re.compile(rf"\+{code}(?!{cut})(?:{'|'.join(branches)})", re.ASCII)


class _ByStart(dict[str, re.Pattern[str]]):
    """First three digits after the plus -> the pattern of their country, compiled when first met."""

    def __missing__(self, start: str) -> re.Pattern[str]:
        """Compile; starts that no country has are not remembered, so the table cannot grow."""
        if len(start) == 3 and start.isascii() and start.isdigit():
            for size in (1, 2, 3):
                code = int(start[:size])
                if start[0] != "0" and code in COUNTRY_CODE_TO_REGION_CODE:
                    self[start] = _pattern(code)
                    return self[start]
        return _NEVER


PATTERNS = _ByStart()
