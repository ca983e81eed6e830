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
AS_EXPORTED: dict[str, str | Promise] = {  # targets of columns of our own export
    "kept": _("Attribute: as it was exported"),
    "rest": _("Several attributes, as they were exported"),
}
# Large numbers as a spreadsheet writes them.
_SHORTENED = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+?[0-9]{2,3}", re.ASCII)
KEYS = ("external_id", "email", "phone", "alias")
# The first columns of the file of rejected rows, which may be imported again.
REJECT_COLUMNS = ("rejected_line", "rejected_reason")
# Targets of which an unreadable cell may be a refusal, so that its whole row is rejected.
STRICT_TARGETS = ("ad_tracking_enabled", "ads_consent")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file.

    ``target``: a key of FIELDS, ATTRIBUTES or AS_EXPORTED; empty if left out.
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

    def used_columns(self) -> Iterator[tuple[int, Column]]:
        """Yield the columns that are not left out, with their indexes."""
        return ((index, column) for index, column in enumerate(self.columns) if column.target)


@dataclass(slots=True)
class ConvertedRows:
    """Rows with the values of their cells, column by column; None where a cell is empty."""

    row_indexes: list[int]  # index of each row in ParsedRows
    fields: dict[str, list[Any]]  # by the names of FIELDS
    attributes: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.row_indexes)


class Converter:
    """Converts rows by one plan."""

    def __init__(self, plan: Plan, *, region: str, hash_only: bool = False) -> None:
        self.plan, self.region, self.hash_only = plan, region, hash_only
        self.columns = list(plan.used_columns())

    def read(self, parsed: ParsedRows) -> tuple[ConvertedRows, list[Reject]]:
        """Return the usable rows, and all rejects (rows and cells) in the order of the file."""
        bad_rows: dict[int, tuple[str, str]] = {}  # index of the row -> (reason, header)
        bad_cells: list[tuple[int, str, str]] = []  # (index of the row, reason, header)
        values_by_column = [
            self._column(index, column, parsed.rows, bad_rows, bad_cells)
            for index, column in self.columns
        ]
        values_by_target = {
            column.target: values
            for (_index, column), values in zip(self.columns, values_by_column, strict=True)
        }
        is_exact = any(
            column.style == cells.EXACT
            for _index, column in self.columns
            if column.target == self.plan.key
        )
        self._check_keys(values_by_target[self.plan.key], bad_rows, is_exact=is_exact)
        if self.hash_only and self.plan.key == "alias":
            self._check_aliases(values_by_target["alias"], bad_rows)
        row_indexes = (
            [index for index in range(len(parsed.rows)) if index not in bad_rows]
            if bad_rows
            else [*range(len(values_by_column[0]))]
        )
        if bad_rows:
            values_by_column = [
                [values[index] for index in row_indexes] for values in values_by_column
            ]
        rejects = [
            Reject(parsed.lines[i], reason, header, parsed.rows[i])
            for i, (reason, header) in bad_rows.items()
        ]
        rejects += [
            Reject(parsed.lines[i], reason, header, parsed.rows[i], is_imported=True)
            for i, reason, header in bad_cells
            if i not in bad_rows
        ]
        return self._converted(row_indexes, values_by_column), sorted([*parsed.rejects, *rejects])

    def _converted(
        self, row_indexes: list[int], values_by_column: list[list[Value]]
    ) -> ConvertedRows:
        fields: dict[str, list[Value]] = {}
        attributes: list[dict[str, Any]] = [{} for _index in row_indexes]
        for (_index, column), values in zip(self.columns, values_by_column, strict=True):
            if column.target in FIELDS:
                fields[column.target] = values
                continue
            is_several = column.target == "rest"
            for row_attributes, value in zip(attributes, values, strict=True):
                if value is not None:
                    row_attributes.update(value if is_several else {column.name: value})
        return ConvertedRows(row_indexes, fields, attributes)

    def _column(
        self,
        index: int,
        column: Column,
        rows: list[list[str]],
        bad_rows: dict[int, tuple[str, str]],
        bad_cells: list[tuple[int, str, str]],
    ) -> list[Value]:
        """Return the values of one column; None where a cell is blank or does not fit.

        A cell that does not fit is added to ``bad_cells``. If the column is the key or one of
        STRICT_TARGETS, the row is added to ``bad_rows`` instead.
        """
        delimiter, is_exact = self.plan.layout.delimiter, column.style == cells.EXACT
        read_cell = cells.reader(
            column.target, delimiter=delimiter, style=column.style, name=column.name
        )
        is_strict = column.target in STRICT_TARGETS or column.target == self.plan.key
        values: list[Value] = []
        for i, row in enumerate(rows):
            cell = row[index] if is_exact else row[index].strip()
            if cell[:1] == "'" or is_exact:
                cell = cells.clean_cell(cell, is_exact=is_exact)
            if (
                not is_exact
                and column.target != self.plan.key
                and cells.is_empty(column.target, cell, name=column.name)
            ):
                cell = ""
            value = read_cell(cell) if cell else None
            if value is None and cell.strip():
                reason = cells.reason(column.target)
                if is_strict:
                    bad_rows.setdefault(i, (reason, column.header))
                else:
                    bad_cells.append((i, reason, column.header))
            values.append(value)
        if self.hash_only and column.target not in FIELDS:
            values = [
                self._without_addresses(value, i, column, bad_cells)
                for i, value in enumerate(values)
            ]
        return values

    def _without_addresses(
        self, value: Value, i: int, column: Column, bad_cells: list[tuple[int, str, str]]
    ) -> Value:
        """Return the value of a column for a hash-only group: no e-mail, no phone number."""
        values = value if column.target == "rest" else {column.name: value}
        if value is None:
            return None
        without_addresses = {
            name: item
            for name, item in values.items()
            if not in_clear.holds_address(name, item, region=self.region)
        }
        if len(without_addresses) == len(values):
            return value
        bad_cells.append((i, "clear", column.header))
        return without_addresses if column.target == "rest" else None

    def _check_aliases(self, keys: list[Value], bad_rows: dict[int, tuple[str, str]]) -> None:
        """Reject rows whose alias holds an e-mail or phone, as the API does: aliases are stored."""
        header = next(column.header for _index, column in self.columns if column.target == "alias")
        for i, key in enumerate(keys):
            if i not in bad_rows and in_clear.holds_address(
                self.plan.alias_label, key, region=self.region
            ):
                bad_rows[i] = ("clear", header)

    def _check_keys(
        self, keys: list[Value], bad_rows: dict[int, tuple[str, str]], *, is_exact: bool
    ) -> None:
        """Reject rows without a usable key. Ids of our own export are accepted as they are."""
        is_address = self.plan.key in ("email", "phone")
        for i, key in enumerate(keys):
            if i in bad_rows:
                continue
            # "0" is a placeholder elsewhere, but some lists of ids begin at 0.
            if key is None or (not is_exact and is_placeholder(str(key)) and str(key) != "0"):
                bad_rows[i] = ("key", "")
            elif not is_exact and _SHORTENED.fullmatch(str(key)):
                bad_rows[i] = ("key_shortened", "")
            elif (
                is_address
                and normalise.normalise(self.plan.key, str(key), region=self.region).sha256 is None
            ):
                bad_rows[i] = ("key_invalid", "")
