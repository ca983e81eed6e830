"""Map the columns of a file to fields and attributes, and convert its rows for ``upsert``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audiencesync.people.identifiers import normalise
from audiencesync.people.imports import cells
from audiencesync.people.imports.csv_reader import Layout, ParsedRows, Reject
from audiencesync.people.parsers.placeholders import is_placeholder
from audiencesync.people.writing import in_clear

Value = cells.Value
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
KEPT: dict[str, str | Promise] = {  # of columns of our own export
    "kept": _("Attribute: as it was exported"),
    "rest": _("Several attributes, as they were exported"),
}
# Large numbers as a spreadsheet writes them.
_SHORTENED = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+?[0-9]{2,3}", re.ASCII)
KEYS = ("external_id", "email", "phone", "alias")
# The first columns of the file of rejected rows, which may be imported again.
REJECT_COLUMNS = ("rejected_line", "rejected_reason")
# An unreadable cell may be a refusal, so it rejects its whole row.
WHOLE = ("ad_tracking_enabled", "ads_consent")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file. ``target``: a key of FIELDS or ATTRIBUTES; empty if left out.

    ``name``: of the attribute. ``style``: how its numbers are written (numbers.style), or
    cells.EXACT.
    """

    header: str
    target: str = ""
    name: str = ""
    style: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that an import must know of its file."""

    layout: Layout
    columns: tuple[Column, ...]
    key: str = "external_id"
    alias_label: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the plan as the database stores it."""
        return asdict(self)

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Plan:
        """Return the plan from its stored form."""
        columns = tuple(Column(**column) for column in raw["columns"])
        return cls(Layout(**raw["layout"]), columns, raw["key"], raw["alias_label"])

    def used(self) -> Iterator[tuple[int, Column]]:
        """Yield the columns that are not left out, with their indexes."""
        return ((index, column) for index, column in enumerate(self.columns) if column.target)


@dataclass(slots=True)
class ConvertedRows:
    """Rows with the values of their cells, column by column; None where a cell is empty."""

    row_indexes: list[int]  # of each row in its ParsedRows
    fields: dict[str, list[Any]]  # by the names of FIELDS
    attributes: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.row_indexes)


class Converter:
    """Converts rows by one plan."""

    def __init__(self, plan: Plan, *, region: str, hash_only: bool = False) -> None:
        self.plan, self.region, self.hash_only = plan, region, hash_only
        self.columns = list(plan.used())

    def read(self, parsed: ParsedRows) -> tuple[ConvertedRows, list[Reject]]:
        """Return the usable rows, and all rejects (rows and cells) in the order of the file."""
        bad: dict[int, tuple[str, str]] = {}
        unfit: list[tuple[int, str, str]] = []
        found = [
            self._column(index, column, parsed.rows, bad, unfit) for index, column in self.columns
        ]
        by_target = {
            column.target: values
            for (_index, column), values in zip(self.columns, found, strict=True)
        }
        is_exact = any(
            column.style == cells.EXACT
            for _index, column in self.columns
            if column.target == self.plan.key
        )
        self._check_keys(by_target[self.plan.key], bad, is_exact=is_exact)
        if self.hash_only and self.plan.key == "alias":
            self._check_aliases(by_target["alias"], bad)
        row_indexes = (
            [index for index in range(len(parsed.rows)) if index not in bad]
            if bad
            else [*range(len(found[0]))]
        )
        if bad:
            found = [[values[index] for index in row_indexes] for values in found]
        rejects = [
            Reject(parsed.lines[i], reason, header, parsed.rows[i])
            for i, (reason, header) in bad.items()
        ]
        rejects += [
            Reject(parsed.lines[i], reason, header, parsed.rows[i], True)
            for i, reason, header in unfit
            if i not in bad
        ]
        return self._converted(row_indexes, found), sorted([*parsed.rejects, *rejects])

    def _converted(self, row_indexes: list[int], found: list[list[Value]]) -> ConvertedRows:
        fields, attributes = (
            {},
            [{} for _index in row_indexes],
        )  # type: tuple[dict[str, list[Value]], list[dict[str, Any]]]
        for (_index, column), values in zip(self.columns, found, strict=True):
            if column.target in FIELDS:
                fields[column.target] = values
                continue
            is_rest = column.target == "rest"
            for known_of, value in zip(attributes, values, strict=True):
                if value is not None:
                    known_of.update(value if is_rest else {column.name: value})
        return ConvertedRows(row_indexes, fields, attributes)

    def _column(
        self,
        index: int,
        column: Column,
        rows: list[list[str]],
        bad: dict[int, tuple[str, str]],
        unfit: list[tuple[int, str, str]],
    ) -> list[Value]:
        """Return the values of one column; None where a cell is blank or does not fit.

        A misfit in the key, or in a column of WHOLE, makes its row bad.
        """
        delimiter, is_exact = self.plan.layout.delimiter, column.style == cells.EXACT
        convert = cells.reader(
            column.target, delimiter=delimiter, style=column.style, name=column.name
        )
        costs_row = column.target in WHOLE or column.target == self.plan.key
        values: list[Value] = []
        for i, row in enumerate(rows):
            cell = row[index] if is_exact else row[index].strip()
            if cell[:1] == "'" or is_exact:
                cell = cells.cell_of(cell, is_exact=is_exact)
            if (
                not is_exact
                and column.target != self.plan.key
                and cells.is_empty(column.target, cell, name=column.name)
            ):
                cell = ""
            value = convert(cell) if cell else None
            if value is None and cell.strip():
                reason = cells.reason(column.target)
                if costs_row:
                    bad.setdefault(i, (reason, column.header))
                else:
                    unfit.append((i, reason, column.header))
            values.append(value)
        if self.hash_only and column.target not in FIELDS:
            values = [
                self._without_clear(value, i, column, unfit) for i, value in enumerate(values)
            ]
        return values

    def _without_clear(
        self, value: Value, i: int, column: Column, unfit: list[tuple[int, str, str]]
    ) -> Value:
        """Return an attribute for a hash-only group: without e-mails and phone numbers."""
        values = value if column.target == "rest" else {column.name: value}
        if value is None:
            return None
        kept = {
            name: one
            for name, one in values.items()
            if not in_clear.holds(name, one, region=self.region)
        }
        if len(kept) == len(values):
            return value
        unfit.append((i, "clear", column.header))
        return kept if column.target == "rest" else None

    def _check_aliases(self, keys: list[Value], bad: dict[int, tuple[str, str]]) -> None:
        """Reject rows whose alias holds an e-mail or phone, as calls are: it would be stored."""
        header = next(column.header for _index, column in self.columns if column.target == "alias")
        for i, key in enumerate(keys):
            if i not in bad and in_clear.holds(self.plan.alias_label, key, region=self.region):
                bad[i] = ("clear", header)

    def _check_keys(
        self, keys: list[Value], bad: dict[int, tuple[str, str]], *, is_exact: bool
    ) -> None:
        """Reject rows without a usable key. Ids of our own export are accepted as they are."""
        is_hashed = self.plan.key in ("email", "phone")
        for i, key in enumerate(keys):
            if i in bad:
                continue
            # Some lists of ids begin at 0.
            if key is None or (not is_exact and is_placeholder(str(key)) and str(key) != "0"):
                bad[i] = ("key", "")
            elif not is_exact and _SHORTENED.fullmatch(str(key)):
                bad[i] = ("key_shortened", "")
            elif (
                is_hashed
                and normalise.normalise(self.plan.key, str(key), region=self.region).sha256 is None
            ):
                bad[i] = ("key_invalid", "")
