"""Read phone numbers as E.164, with a fast path for numbers that are E.164 already.

``read`` is the current rule: an ambiguous number is rejected, and a number changed by a spreadsheet
is repaired if no digit was lost. ``parse`` is the former rule; hashes made by it may still be in
audiences and in the erasure ledger.

The patterns of the fast path are made from the library's own metadata and match only where
``phonenumbers`` would agree. All other input (national spellings, spaces, rare regions) goes to
the library.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal, NamedTuple

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberFormat

LONGEST_INPUT = 250  # the library's own limit
PhoneProblem = Literal["invalid", "ambiguous", "spreadsheet"]
_NUMBER_TYPES = (
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
_NEVER = re.compile(r"(?!)")  # "(?!)", here and below, matches nothing
_FLOAT = re.compile(r"(\+?[0-9]+)[.,]0+", re.ASCII)
_ENDS_LIKE_A_FLOAT = re.compile(r"(.*[^0-9+].*)[.,](0+)", re.ASCII)
_EXPONENT = re.compile(
    r"(\+?)([0-9]+)(?:[.,]([0-9]*))? ?e ?([+-]?)([0-9]{1,3})", re.ASCII | re.IGNORECASE
)
_EXTENSION = re.compile(
    r"[ ,;:.-]*(?:;ext=|\b(?:extensi(?:on|ón)|extn|ext|xt|x|int|anexo|доб)\b[.:]*|(?<=[0-9])x|#)"
    r" *[0-9]{1,15} *#?$",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r"([^;]*);.*?\bphone-context=(\+[0-9][0-9.()-]*)", re.IGNORECASE)
_PARAMETERS = re.compile(r";(?:isub|phone-context|cpc|rn|npdi)\b.*$", re.IGNORECASE)
_BODY = re.compile(r"\+*[ (\[]*[0-9][0-9 ()\[\]./\u2010-\u2015\u2212\u30fc\uff0d-\uff0f-]*")
_SLASH = re.compile(r"[/\uff0f]")
# A decimal number; `_FLOAT` has already taken numbers with only zeros behind the decimal sign.
_DECIMAL = re.compile(r"\+?[0-9]{7,}[.,][0-9]{1,3}|[1-9][0-9]*[.,][0-9]+", re.ASCII)
# A masked number such as ***123, or a minus sign.
_MASKED_BEFORE = re.compile(r"^[-\u2010-\u2015\u2212]|[*\u2022\u2026]|\.\.|xx|\? *$", re.IGNORECASE)
_MASKED_AFTER = re.compile(r"[.-] *[.-][ .-]*$")
_IN_A_LIST = re.compile(r"[1-9][0-9]?\. +0")
_NUMBER_GAP = re.compile(r"[/\uff0f]|[ -]+(?=[(+]*0|\+)|[ -]+(?=\()")
_MIN_NATIONAL_DIGITS = 6  # digits without the country code: an area code has 5 at most
_OPEN_NUMBERING = ("DE", "AT")  # land lines of almost any length
# In these countries, a number with so many digits or more is rather an international number with a
# mistyped country code than a land line without its leading zero.
_LONG_NATIONAL = 11
# Most digits of a country and area code before a slash. With more, the slash separates two numbers.
_MOST_BEFORE_SLASH = 9


class PhoneReading(NamedTuple):
    """A number in E.164 with its plus, or a problem: invalid, ambiguous, or digits may be lost."""

    number: str | None
    problem: PhoneProblem | None = None


def read(raw: str, region: str) -> PhoneReading:
    """Read a phone number. ``region``: the country of national numbers."""
    if is_clean(raw):
        return PhoneReading(raw)
    if len(raw) > LONGEST_INPUT:
        return PhoneReading(None, "invalid")
    text = _without_float(plain(raw))
    if text is None:
        return PhoneReading(None, "spreadsheet")
    body = _body(text)
    if body is None or _are_two_numbers(body, region):
        return PhoneReading(None, "invalid")
    candidates = _candidates(body, region)
    if len(candidates) > 1:
        return PhoneReading(None, "ambiguous")
    return PhoneReading(candidates.pop()) if candidates else PhoneReading(None, "invalid")


def plain(raw: str) -> str:
    """Simplify characters: digits of any script to 0-9, one kind of space, no invisible ones."""
    if raw.isascii():
        return raw.replace("\t", " ").strip()
    return "".join(map(_plain_character, raw)).strip()


def _plain_character(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Zs" or character == "\t":
        return " "
    if category == "Cf":
        return ""
    ascii_code = ord(character) - 0xFEE0  # full-width form -> ASCII
    return chr(ascii_code) if 0x21 <= ascii_code <= 0x7E else character


def _without_float(text: str) -> str | None:
    """Undo a spreadsheet's conversion to a number; None if digits are lost, or may be."""
    if decimal := _FLOAT.fullmatch(text):
        return decimal[1]
    if _DECIMAL.fullmatch(text):
        return None
    if exponent := _EXPONENT.fullmatch(text):
        return _expand_exponent(*exponent.groups(default=""))
    ending = _ENDS_LIKE_A_FLOAT.fullmatch(text)
    # If the same sign occurs earlier, it separates groups of digits and is no decimal sign.
    if ending and (len(ending[2]) == 1 or text[ending.end(1)] not in ending[1]):
        return None
    return text


def _expand_exponent(plus: str, whole: str, part: str, sign: str, exponent: str) -> str | None:
    """Return all digits of a number such as 4.91761E11; None if some are missing."""
    n_whole_digits = len(whole) + int(exponent)
    digits = whole + part
    if sign == "-" or len(digits) < n_whole_digits or digits[n_whole_digits:].strip("0"):
        return None
    return plus + digits[:n_whole_digits].lstrip("0")


def _body(text: str) -> str | None:
    """Return the number without text around it; None if other characters are among its digits."""
    if context := _CONTEXT.fullmatch(text):  # RFC 3966
        number = context[1].removeprefix("tel:")
        text = number if number.lstrip()[:1] == "+" else context[2] + number
    text = _EXTENSION.sub("", _PARAMETERS.sub("", text))
    start = next(
        (
            index
            for index, character in enumerate(text)
            if character == "+" or character in "0123456789"
        ),
        None,
    )
    if start is None or (start and text[start - 1].isalnum()):  # such as an O for a zero
        return None
    if _MASKED_BEFORE.search(text[:start]) or _MASKED_AFTER.search(text):
        return None
    body = text[start:].rstrip(" .-")
    if not _BODY.fullmatch(body) or _IN_A_LIST.match(body):
        return None
    *before, _last = _SLASH.split(body)
    if before and sum(map(str.isdigit, "".join(before))) > _MOST_BEFORE_SLASH:
        return None
    return body


def _are_two_numbers(body: str, region: str) -> bool:
    """Return whether a whole number is followed by another, or by a slash and other last digits."""
    for gap in _NUMBER_GAP.finditer(body):
        first, following = body[: gap.start()], body[gap.end() :]
        if _is_whole(first, region) and (gap[0] in "/\uff0f" or _is_whole(following, region)):
            return True
    return False


def _is_whole(text: str, region: str) -> bool:
    number = parse(text, region)
    return (
        number is not None
        and len(str(phonenumbers.parse(number).national_number)) >= _MIN_NATIONAL_DIGITS
    )


def _candidates(body: str, region: str) -> set[str]:
    """Return all numbers that the text may mean."""
    if body[0] == "+":
        return _international(body)
    code = str(phonenumbers.country_code_for_region(region.upper()))
    digits = re.sub(r"[^0-9]", "", body)
    if digits.startswith("00"):
        return _national(body, region) | _international(f"+{digits[2:]}")
    if digits.startswith("0"):
        mistyped_international = (
            _international(f"+{digits[1:]}") if digits.startswith(code, 1) else set()
        )
        return _national(body, region) | set(filter(is_mobile, mistyped_international))
    international = _international(f"+{body}")
    if international and digits.startswith(code):
        return international
    national = _national(body, region)
    is_doubtful = len(digits) >= _LONG_NATIONAL or digits.startswith(code)
    if not international and is_doubtful and region.upper() in _OPEN_NUMBERING:
        return set(filter(is_mobile, national))
    if len(international | national) > 1 and any(
        _has_national_grouping(body, number) for number in national
    ):
        return national
    return international | national


def _has_national_grouping(body: str, number: str) -> bool:
    """Return whether the digits are grouped in the national format, such as (201) 555-0123.

    A country code would be a group of its own.
    """
    groups = re.findall(r"[0-9]+", body)
    national_format = phonenumbers.format_number(
        phonenumbers.parse(number), PhoneNumberFormat.NATIONAL
    )
    return len(groups) > 1 and groups == re.findall(r"[0-9]+", national_format)


def _international(text: str) -> set[str]:
    """Read a number after its plus, with and without a zero in brackets.

    Such a zero is dialled at home only, except in countries that always dial it.
    """
    if is_clean(text):
        return {text}
    spellings = {text, text.replace("(0)", "")}
    return {number for spelling in spellings if (number := parse(spelling, ""))}


def _national(text: str, region: str) -> set[str]:
    number = parse(text, region)
    return {number} if number else set()


def is_mobile(number: str) -> bool:
    """Return whether a number is certainly mobile.

    `_candidates` takes 0 49 176 ... also for a mistyped +49 176 ..., as that number is mobile. It
    reads 0 49 30 ... only as a national number with the area code 04930.
    """
    return (
        phonenumbers.number_type(phonenumbers.parse(number)) == phonenumbers.PhoneNumberType.MOBILE
    )


def parse(raw: str, region: str) -> str | None:
    """Return the library's reading as E.164 with plus, or None. ``region``: as in `read`."""
    if not any(map(str.isdigit, raw)):  # the library rejects it as well, but slowly
        return None
    try:
        number = phonenumbers.parse(raw, region.upper() or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def is_clean(raw: str) -> bool:
    """Return whether ``raw`` equals what ``parse`` would return."""
    return PATTERNS[raw[1:4]].fullmatch(raw) is not None


def _type_pattern(metadata: PhoneMetadata, name: str) -> str | None:
    """Return the pattern of national numbers of one type, such as mobile."""
    desc = getattr(metadata, name)
    if desc is None or not desc.national_number_pattern:
        return None
    general = metadata.general_desc
    lengths = desc.possible_length or (general.possible_length if general else ())
    sizes = "|".join(rf"[0-9]{{{size}}}$" for size in lengths if size > 0)
    return f"(?:(?={sizes})(?:{desc.national_number_pattern})$)" if sizes else None


def _region_pattern(region: str) -> str:
    """Return the pattern of valid national numbers of one region."""
    metadata = PhoneMetadata.metadata_for_region(region)
    patterns = (_type_pattern(metadata, name) for name in _NUMBER_TYPES) if metadata else ()
    valid = "|".join(filter(None, patterns))
    general = metadata.general_desc if metadata else None
    if not valid or general is None or general.national_number_pattern is None:
        return "(?!)"
    return rf"(?=(?:{general.national_number_pattern})$)(?:{valid})"


@cache
def _pattern(code: int) -> re.Pattern[str]:
    """Return the pattern of clean numbers of a country code, regions in the library's order."""
    regions = COUNTRY_CODE_TO_REGION_CODE[code]
    main = PhoneMetadata.metadata_for_region(regions[0])
    if main is None:  # a code without a country, such as that of satellites
        return _NEVER
    claimed_digits, branches = "(?!)", []
    for region in regions:
        metadata = PhoneMetadata.metadata_for_region(region)
        leading = metadata.leading_digits if metadata else None
        branches.append(f"(?!{claimed_digits})(?={leading or ''})(?:{_region_pattern(region)})")
        claimed_digits = f"{claimed_digits}|{leading}" if leading else claimed_digits
    national_prefix = main.national_prefix_for_parsing or "(?!)"  # the library might remove it
    return re.compile(rf"\+{code}(?!{national_prefix})(?:{'|'.join(branches)})", re.ASCII)


class _PatternsByPrefix(dict[str, re.Pattern[str]]):
    """First three digits after the plus -> pattern of the country, compiled on first use."""

    def __missing__(self, start: str) -> re.Pattern[str]:
        """Compile a pattern; unassigned codes are not stored, so that the table cannot grow."""
        if len(start) == 3 and start.isascii() and start.isdigit():
            for size in (1, 2, 3):
                code = int(start[:size])
                if start[0] != "0" and code in COUNTRY_CODE_TO_REGION_CODE:
                    self[start] = _pattern(code)
                    return self[start]
        return _NEVER


PATTERNS = _PatternsByPrefix()
