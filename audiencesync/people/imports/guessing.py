"""Guesses what the columns of a file mean, from their names and first values. Only ever a suggestion."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from audiencesync.groups.models import AppGroup
from audiencesync.people import filters
from audiencesync.people.imports.mapping import FIELDS, OURS, Column, cells

EXPORTED = ("braze_id", "created_at")  # columns of an export that comes back
_SYNONYMS = {
    "external_id": "externalid userid customerid customernumber id kundennummer kundenid kundennr",
    "alias": "alias aliasname useraliasname",
    "email": "email emailaddress mail emailadresse",
    "phone": "phone phonenumber mobile telephone telefon telefonnummer handy mobilnummer",
    "idfa": "idfa iosidfa",
    "gaid": "gaid googleadid androidgaid aaid",
    "ad_tracking_enabled": "adtrackingenabled adtracking",
    "ads_consent": "adsconsent consent einwilligung werbeeinwilligung",
    "country": "country countrycode land ländercode",
    "language": "language sprache locale",
}
_KNOWN = {word: name for name, words in _SYNONYMS.items() for word in words.split()}
_KEPT_AS_TEXT = re.compile(r"\+.*|[+-]?0[0-9].*", re.DOTALL)  # a post code, a phone number: as a number it would change


def known(header: str) -> str:
    """The field that a column of this name holds; empty if it is none of ours."""
    return _KNOWN.get(re.sub(r"[\W_]", "", header).casefold(), "")


def columns(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, delimiter: str, app_group: AppGroup
) -> tuple[Column, ...]:
    """A target for every column. Left out is what comes twice, what only we can tell, and what no column can hold."""
    ruling, taken = app_group.consent_attribute, set[str]()
    found = []
    ours = {*OURS, *(EXPORTED if set(EXPORTED) <= set(headers) else ())}
    for place, header in enumerate(headers):
        target, name = known(header), attribute_name(header, place)
        is_ruling = bool(ruling) and ruling.casefold() in (header.casefold(), name.casefold())
        name = ruling if is_ruling else name
        if header in ours:
            target = ""
        elif is_ruling or not target or target in taken or (ruling and target == "ads_consent"):
            target = _kind([row[place].strip() for row in rows if place < len(row)], delimiter)
            if is_ruling and target == "truth" and "true" not in map(str.lower, app_group.consent_values):
                target = "text"  # what counts as consent is said in other words
            target = "" if filters.CUSTOM + name in taken else target
        found.append(Column(header, target, name))
        if target:
            taken.add(target if target in FIELDS else filters.CUSTOM + name)
    return tuple(found)


def attribute_name(header: str, place: int) -> str:
    """A header as a name that attributes may have."""
    name = re.sub(r"__+", "_", re.sub(r"[^\w .-]", " ", header)).strip(" ._-")[:63]
    return name if filters.ops_of(filters.CUSTOM + name) else f"column {place + 1}"


def _kind(values: Sequence[str], delimiter: str) -> str:
    """The kind of attribute that fits all values; empty where a list would become its text."""
    filled = [value for value in values if value]
    if any(map(_is_nested, filled)):
        return ""
    is_number = not any(map(_KEPT_AS_TEXT.fullmatch, filled))
    for kind in ("number", "truth", "day") if filled else ():
        if (kind != "number" or is_number) and all(cells(kind, delimiter)(value) is not None for value in filled):
            return kind
    return "text"


def _is_nested(cell: str) -> bool:
    """Whether an export wrote a list or an object."""
    try:
        return cell[:1] in "[{" and isinstance(json.loads(cell), list | dict)
    except (ValueError, RecursionError):
        return False
