"""Guess the meaning of columns from their names and first values. It is only a suggestion."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup
from audiencesync.people.imports import cells
from audiencesync.people.imports.mapping import FIELDS, KEYS, REJECT_COLUMNS, Column
from audiencesync.people.parsers import numbers, spellings
from audiencesync.people.segments import filters
from audiencesync.people.views import csv_export
from audiencesync.people.writing import in_clear

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
_FIELD_BY_SYNONYM = {word: name for name, words in _SYNONYMS.items() for word in words.split()}
_PHONE_LIKE = re.compile(r"(?:\+|00|\(?0)[0-9 ()/-]{7,24}", re.ASCII)
# Other words are booleans only beside their opposite: NO is Norway, ON Ontario.
_PLAIN_BOOLEANS = frozenset({"true", "false"})
MIN_SHARE = 0.5  # part of the values of a sample that must fit a target
REASONS: dict[str, str | Promise] = {
    "second": _(
        "Left out: another column holds this field already."
        " An attribute would not be treated as an address."
    ),
    "address": _("Left out: this looks like addresses, and this group stores only hashes."),
    "ours": _("Left out: AudienceSync sets this value itself."),
    "twice": _("Left out: another column has the same name."),
    "misnamed": _("Left out: an attribute cannot have this name."),
    "nested": _("Left out: a list or an object would become its text."),
    "nothing": _("The name sounds like “%(field)s”, but fewer than half of the values fit."),
    "zero": _("Text, because as a number “%(cell)s” would change."),
    "number": _("Text, because “%(cell)s” is no number that can be read for certain."),
    "day": _("Text, because “%(cell)s” is no date like the others."),
    "truth": _("Text, because “%(cell)s” is neither yes nor no."),
}


class Guess(NamedTuple):
    """A suggested column. ``why``: a key of REASONS if users may wonder about it, else empty.

    ``cell``: the value that the text names.
    """

    column: Column
    why: str = ""
    cell: str = ""

    def reason(self) -> str:
        """Return the reason as the page shows it."""
        field = FIELDS.get(field_named(self.column.header), "")
        return str(REASONS[self.why]) % {"cell": self.cell[:40], "field": field} if self.why else ""


def field_named(header: str) -> str:
    """Return the field that the whole header is a synonym of; empty if there is none.

    ``in_clear.kind_of`` also finds an e-mail or phone by one word of a header: "E-Mail 2".
    """
    return _FIELD_BY_SYNONYM.get(re.sub(r"[\W_]", "", header).casefold(), "")


def is_contact_name(name: str) -> bool:
    """Return whether the name of an attribute means an e-mail or phone: "email", "Handy 2"."""
    return field_named(re.sub(r"\d", "", name)) in ("email", "phone")


def _may_be_addresses(kind: str, values: Sequence[str]) -> bool:
    """Return whether the values of a column with the name of an e-mail or phone may be addresses.

    "Mail opt-in" has such a name, but holds yes and no.
    """
    if kind == "email":  # in the clear, or as a hash of 64 characters
        return not values or any("@" in value or len(value) == 64 for value in values)
    return not values or any(sum(map(str.isdigit, value)) >= 6 for value in values)


def _looks_like_addresses(header: str, values: Sequence[str]) -> bool:
    """Return whether a column holds e-mail addresses or phone numbers, by name and values."""
    kind = in_clear.kind_of(header)
    if any(map(in_clear.has_email, values)) or (kind and _may_be_addresses(kind, values)):
        return True
    phone_like = [
        value for value in values if _PHONE_LIKE.fullmatch(value) and cells.day(value) is None
    ]
    return bool(values) and len(phone_like) >= MIN_SHARE * len(values)


def columns(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, delimiter: str, app_group: AppGroup
) -> list[Guess]:
    """Suggest a target for each column; repeated, nested and our own columns are left out."""
    guesser = (
        _ExportGuesser(app_group, headers)
        if csv_export.is_ours(headers)
        else _Guesser(app_group, delimiter)
    )
    return [guesser.guess(header, index, rows) for index, header in enumerate(headers)]


class _Guesser:
    """Guesses one column after the other and remembers the targets in use."""

    def __init__(self, app_group: AppGroup, delimiter: str) -> None:
        self.app_group, self.delimiter = app_group, delimiter
        self.consent_attribute = app_group.consent_attribute
        # Fields, and attributes with the prefix filters.CUSTOM.
        self.taken: set[str] = set()

    def guess(self, header: str, index: int, rows: Sequence[Sequence[str]]) -> Guess:
        """Suggest the target of one column."""
        values = [cells.clean_cell(row[index], is_exact=False) for row in rows if index < len(row)]
        guess = self._guess(header, index, [value for value in values if value])
        column = guess.column
        if column.target:
            self.taken.add(
                column.target if column.target in FIELDS else filters.CUSTOM + column.name
            )
        return guess

    def _guess(self, header: str, index: int, values: list[str]) -> Guess:
        """Suggest a target by the header and the values that are not empty."""
        name, field = attribute_name(header, index), field_named(header)
        style = numbers.style(values)
        if header in REJECT_COLUMNS:
            return Guess(Column(header, "", name), "ours")
        if self.consent_attribute and self.consent_attribute.casefold() in (
            header.casefold(),
            name.casefold(),
        ):
            return Guess(Column(header, self._consent_type(values), self.consent_attribute, style))
        if field and field not in self.taken and not self._is_decided_elsewhere(field):
            if self._fits(field, values):
                return Guess(Column(header, field, name, style))
            guess = self._attribute(header, name, values, style)
            return guess._replace(why=guess.why or "nothing")
        address_kind = in_clear.kind_of(header)
        if address_kind in self.taken and _may_be_addresses(address_kind, values):
            return Guess(Column(header, "", name), "second")
        return self._attribute(header, name, values, style)

    def _is_decided_elsewhere(self, field: str) -> bool:
        """Return whether the group's consent attribute decides this field; no column may set it."""
        return bool(self.consent_attribute) and field == "ads_consent"

    def _fits(self, field: str, values: list[str]) -> bool:
        """Return whether enough values fit the field that the column has the name of."""
        if field in KEYS or field in ("idfa", "gaid"):
            return True  # the import checks each identifier by itself
        read_cell = cells.reader(field, delimiter=self.delimiter)
        return sum(read_cell(value) is not None for value in values) >= MIN_SHARE * len(values)

    def _consent_type(self, values: list[str]) -> str:
        """Return the type of the consent attribute.

        Text if "true" is not one of the group's consent values: its own word, such as "ja", would
        become true and no longer count as consent.
        """
        target = _attribute_type(values, self.delimiter, "")[0]
        if (
            target == "text"
            and values
            and all(spellings.boolean(value) is not None for value in values)
        ):
            target = "truth"  # for consent, a column of only "yes" is boolean as well
        return (
            "text"
            if target == "truth" and "true" not in map(str.lower, self.app_group.consent_values)
            else target
        )

    def _attribute(self, header: str, name: str, values: list[str], style: str) -> Guess:
        if why := self._why_no_attribute(header, name, values):
            return Guess(Column(header, "", name, style), why)
        target, why, cell = _attribute_type(values, self.delimiter, style)
        return Guess(Column(header, target, name, style), why, cell)

    def _why_no_attribute(self, header: str, name: str, values: list[str]) -> str:
        """Return why a column cannot be an attribute: a key of REASONS; empty if it can."""
        if filters.CUSTOM + name in self.taken:
            return "twice"
        if self.app_group.hash_only and _looks_like_addresses(header, values):
            return "address"
        return "" if cells.is_attribute_name(name) else "misnamed"


class _ExportGuesser(_Guesser):
    """Guesses columns of our own export, so that names, types and spaces are restored.

    Attributes get the targets of AS_EXPORTED (mapping.py).
    """

    def __init__(self, app_group: AppGroup, headers: Sequence[str]) -> None:
        super().__init__(app_group, "")
        # Each name is left out once: a later column of the same name is an attribute. The names of
        # REJECT_COLUMNS are attributes, too, unless they come first, as in the file of rejected
        # rows.
        is_reject_file = tuple(headers[: len(REJECT_COLUMNS)]) == REJECT_COLUMNS
        self.left_out_names = {
            csv_export.ID_COLUMN,
            csv_export.CREATED_COLUMN,
            *(REJECT_COLUMNS if is_reject_file else ()),
        }

    def _guess(self, header: str, index: int, values: list[str]) -> Guess:
        name = header
        if name in self.left_out_names:
            self.left_out_names.discard(name)
            return Guess(Column(header, "", name, cells.EXACT), "ours")
        field = csv_export.COLUMNS.get(name, "")
        if field and field not in self.taken:
            self.taken.add(field)
            target = "" if self._is_decided_elsewhere(field) else field
            return Guess(Column(header, target, name, cells.EXACT))
        if name == csv_export.REST_COLUMN:
            return Guess(Column(header, "rest", name, cells.EXACT))
        # A single address in a column that is kept is left out by the import (mapping.py).
        why = self._why_no_attribute(header, name, values)
        return Guess(Column(header, "" if why else "kept", name, cells.EXACT), why)


def attribute_name(header: str, index: int) -> str:
    """Return a header as the name of an attribute: unchanged if the API accepts it."""
    name = re.sub(r"[\x00-\x1f\x7f]+", " ", header).strip()[: cells.LONGEST_NAME]
    return name if cells.is_attribute_name(name) else f"column {index + 1}"


def _attribute_type(values: Sequence[str], delimiter: str, style: str) -> tuple[str, str, str]:
    """Return the type that fits all values, or text with a reason; empty for nested values."""
    if values and sum(map(_is_nested, values)) >= MIN_SHARE * len(values):
        return "", "nested", ""
    # Cells that are empty for a number, such as NA, are ignored for all three types.
    values = [value for value in values if not cells.is_empty("number", value)]
    misfits = {}  # type that at least half of the values fit -> the first value that does not
    for target in ("number", "truth", "day") if values else ():
        read_cell = cells.reader(
            target, delimiter=delimiter, style=style if target == "number" else ""
        )
        misfit = next((value for value in values if read_cell(value) is None), None)
        if misfit is None and not _is_doubtful(target, values):
            return target, "", ""
        n_fit = sum(read_cell(value) is not None for value in values)
        if misfit is not None and n_fit >= MIN_SHARE * len(values):
            misfits[target] = misfit
    if misfits:
        target, misfit = next(iter(misfits.items()))
        would_change = target == "number" and re.fullmatch(r"\+[0-9]+|[+-]?0[0-9]+", misfit)
        return "text", "zero" if would_change else target, misfit
    return "text", "", ""


def _is_doubtful(target: str, values: Sequence[str]) -> bool:
    """Return whether values that all fit a type may mean something else.

    Words may be no booleans (NO is Norway); amounts may be in different currencies.
    """
    if target == "truth":
        texts = {value.lower() for value in values}
        return (
            not texts <= _PLAIN_BOOLEANS and len({spellings.boolean(value) for value in values}) < 2
        )
    return target == "number" and len({numbers.currency(value) for value in values} - {""}) > 1


def _is_nested(cell: str) -> bool:
    """Return whether a cell holds a list or an object as JSON."""
    try:
        return cell[:1] in "[{" and isinstance(json.loads(cell), list | dict)
    except (ValueError, RecursionError):
        return False
