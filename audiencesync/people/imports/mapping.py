"""Which column becomes what, and what its cells become: turns rows into wishes for ``upserting``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audiencesync import spreadsheet
from audiencesync.people import identifiers
from audiencesync.people.imports.reading import Layout, Reject, Stretch
from audiencesync.people.models import LONGEST_EXTERNAL_ID

Value = str | bool | int | float | None
FIELDS: dict[str, str | Promise] = {
    "external_id": _("External ID"),
    "alias": _("Alias"),
    "email": _("E-mail"),
    "phone": _("Phone"),
    "idfa": _("iOS IDFA (idfa)"),
    "gaid": _("Android GAID (google_ad_id)"),
    "ad_tracking_enabled": _("Ad tracking enabled (true or false)"),
    "ads_consent": _("Consent to advertising (true or false)"),
    "country": _("Country"),
    "language": _("Language"),
}
ATTRIBUTES: dict[str, str | Promise] = {
    "text": _("Attribute: text"),
    "number": _("Attribute: number"),
    "truth": _("Attribute: true or false"),
    "day": _("Attribute: day"),
}
KEYS = ("external_id", "email", "phone", "alias")
OURS = ("rejected_line", "rejected_reason")  # columns of a rejects file that comes back
MOST_TEXT = 5000
_TRUE = frozenset({"true", "1", "yes", "y", "t", "ja", "wahr", "j", "on"})
_FALSE = frozenset({"false", "0", "no", "n", "f", "nein", "falsch", "off"})
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}", re.ASCII)  # or three decimals: who knows
_ISO_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})([T ][0-9]{2}:[0-9]{2}.*)?", re.ASCII)
_GERMAN_DAY = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,4})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file. ``target``: a key of FIELDS or ATTRIBUTES, or empty: left out. ``name``: the attribute."""

    header: str
    target: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that an import must know of its file."""

    layout: Layout
    columns: tuple[Column, ...]
    key: str = "external_id"
    alias_label: str = ""

    def as_json(self) -> dict[str, Any]:
        """As the database keeps it."""
        return asdict(self)

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Plan:
        """Back from the database."""
        columns = tuple(Column(**column) for column in raw["columns"])
        return cls(Layout(**raw["layout"]), columns, raw["key"], raw["alias_label"])

    def used(self) -> Iterator[tuple[int, Column]]:
        """The columns that are not left out, with their places."""
        return ((place, column) for place, column in enumerate(self.columns) if column.target)


@dataclass(slots=True)
class Batch:
    """What some rows ask for, column by column: a value per row, None where nothing is asked."""

    places: list[int]  # in the rows they came from
    fields: dict[str, list[Any]]  # by the names of FIELDS
    attributes: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.places)


def _truth(cell: str) -> bool | None:
    word = cell.lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _number(cell: str) -> float | None:
    if not _NUMBER.fullmatch(cell):
        return None
    return float(cell) if "." in cell else int(cell)


def _number_with_comma(cell: str) -> float | None:
    return _number(cell.replace(",", ".", 1))


def _number_of_excel(cell: str) -> float | None:
    """Where semicolons part the cells, 1.234 may be a German thousand."""
    return None if _THOUSANDS.fullmatch(cell) else _number_with_comma(cell)


def _day(cell: str) -> str | None:
    german, iso = _GERMAN_DAY.fullmatch(cell), _ISO_DAY.fullmatch(cell)
    try:
        if german:
            return date(*map(int, german.groups()[::-1])).isoformat()
        return date.fromisoformat(iso[1]).isoformat() if iso else None
    except ValueError:
        return None


def _country(cell: str) -> str | None:
    code = cell.upper()
    return code if _COUNTRY.fullmatch(code) else None


def _language(cell: str) -> str | None:
    return cell if _LANGUAGE.fullmatch(cell) and len(cell) <= 8 else None


def _at_most(characters: int) -> Callable[[str], str | None]:
    return lambda cell: cell if len(cell) <= characters else None


def _short_id(cell: str) -> str | None:
    return cell if len(cell) <= LONGEST_EXTERNAL_ID // 4 or len(cell.encode()) <= LONGEST_EXTERNAL_ID else None


_CONVERTERS: dict[str, tuple[Callable[[str], Any], str]] = {  # what a cell becomes (None: nothing fits), and why not
    "external_id": (_short_id, "long"),
    "alias": (_short_id, "long"),
    "email": (_at_most(320), "long"),
    "phone": (_at_most(64), "long"),
    "idfa": (_at_most(64), "long"),
    "gaid": (_at_most(64), "long"),
    "ad_tracking_enabled": (_truth, "truth"),
    "ads_consent": (_truth, "truth"),
    "country": (_country, "country"),
    "language": (_language, "language"),
    "text": (_at_most(MOST_TEXT), "text"),
    "number": (_number, "number"),
    "truth": (_truth, "truth"),
    "day": (_day, "day"),
}


_NUMBERS = {"comma": _number, "semicolon": _number_of_excel}


def cells(target: str, delimiter: str) -> Callable[[str], Any]:
    """What reads the cells of a column. A decimal comma counts where commas do not part the cells."""
    return _NUMBERS.get(delimiter, _number_with_comma) if target == "number" else _CONVERTERS[target][0]


class Converter:
    """Turns rows into what they ask for, by one plan."""

    def __init__(self, plan: Plan, *, region: str) -> None:
        self.plan, self.region = plan, region
        self.columns = list(plan.used())

    def read(self, stretch: Stretch) -> tuple[Batch, list[Reject]]:
        """The rows that ask for something; and all that are rejected, in the order of the file."""
        bad: dict[int, tuple[str, str]] = {}
        found = [self._column(place, column, stretch.rows, bad) for place, column in self.columns]
        by_target = {column.target: values for (_place, column), values in zip(self.columns, found, strict=True)}
        self._judge_keys(by_target[self.plan.key], bad)
        places = [place for place in range(len(stretch.rows)) if place not in bad] if bad else [*range(len(found[0]))]
        if bad:
            found = [[values[place] for place in places] for values in found]
        rejects = [Reject(stretch.lines[i], reason, header, stretch.rows[i]) for i, (reason, header) in bad.items()]
        return self._batch(places, found), sorted([*stretch.rejects, *rejects])

    def _batch(self, places: list[int], found: list[list[Value]]) -> Batch:
        fields, attributes = {}, [{} for _place in places]  # type: tuple[dict[str, list[Value]], list[dict[str, Any]]]
        for (_place, column), values in zip(self.columns, found, strict=True):
            if column.target in FIELDS:
                fields[column.target] = values
                continue
            for known_of, value in zip(attributes, values, strict=True):
                if value is not None:
                    known_of[column.name] = value
        return Batch(places, fields, attributes)

    def _column(
        self, place: int, column: Column, rows: list[list[str]], bad: dict[int, tuple[str, str]]
    ) -> list[Value]:
        """The values of one column; None where the cell is blank."""
        convert, reason = cells(column.target, self.plan.layout.delimiter), _CONVERTERS[column.target][1]
        values: list[Value] = []
        for i, row in enumerate(rows):
            cell = row[place].strip()
            if cell[:1] == "'":
                cell = spreadsheet.unguarded(cell).strip()
            value = convert(cell) if cell else None
            if value is None and cell:
                bad.setdefault(i, (reason, column.header))
            values.append(value)
        return values

    def _judge_keys(self, keys: list[Value], bad: dict[int, tuple[str, str]]) -> None:
        """Without a usable key a row belongs to nobody."""
        is_hashed = self.plan.key in ("email", "phone")
        for i, key in enumerate(keys):
            if i in bad:
                continue
            if key is None:
                bad[i] = ("key", "")
            elif is_hashed and identifiers.normalise(self.plan.key, str(key), region=self.region).sha256 is None:
                bad[i] = ("key_invalid", "")
