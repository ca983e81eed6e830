"""The rows that an import rejected, or imported without one of their cells.

They are kept in compressed parts: see ``KEEP_REJECTS_DAYS``. A *number* is a figure on the page of
an import that links to the list of its rows.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from audiencesync.core.database.time_limit import TooSlow
from audiencesync.core.lists import Keys
from audiencesync.people.imports import chunk_writer, mapping, words
from audiencesync.people.imports.csv_reader import Reject
from audiencesync.people.models import KINDS
from audiencesync.people.models.imports import Import, RejectPart

# Names of numbers. The last two are prefixes: a kind of identifier or a column's index follows.
REJECTED, UNUSABLE, LEFT_OUT = "rejected", "unusable_", "left_out_"
TIME_LIMIT_SECONDS = 10.0
MOST_SHOWN = 200  # characters of a row


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the file, the one at index ``place`` in the part that begins at ``position``."""

    position: int
    place: int
    reject: Reject

    @property
    def reason(self) -> str:
        """Return why it was rejected, in words."""
        return words.reason(self.reject)

    @property
    def cells(self) -> str:
        """Return the row as in the file, shortened; empty if its cells were not stored."""
        return " | ".join(self.reject.cells)[:MOST_SHOWN]


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """One number of an import, with its rows, which are a part of a list (core/lists.py)."""

    run: Import
    name: str
    n: int
    label: str
    # The header of the column whose cells count, "" if it has none; None: rejected rows.
    column: str | None = None

    @property
    def is_unusable(self) -> bool:
        """Return whether it counts identifiers that are stored, but never sent."""
        return self.name.startswith(UNUSABLE)

    def counts(self, reject: Reject) -> bool:
        """Return whether the number counts this row."""
        if self.column is None:
            return not reject.is_imported
        is_unusable = reject.reason == "unusable"
        is_of_column = reject.is_imported and reject.column == self.column
        return is_of_column and is_unusable is self.is_unusable

    def read(self, limit: int, *, beyond: Keys | None, ascending: bool) -> Sequence[Row]:
        """Return the next rows in the order of the file, or backwards if ``ascending``.

        The two directions are those of `lists.Part`, whose first page is in descending order; here
        it follows the file. Raise ValueError for malformed keys, TooSlow after some seconds.
        """
        if beyond is not None and len(beyond) != 2:
            raise ValueError
        rows: list[Row] = []
        ends_at = time.monotonic() + TIME_LIMIT_SECONDS
        for part_rows in self._parts(beyond, ascending=ascending):
            for row in reversed(part_rows) if ascending else part_rows:
                keys = self.keys_of(row)
                if beyond is None or (keys < beyond if ascending else keys > beyond):
                    rows.append(row)
            if len(rows) >= limit:
                break
            if time.monotonic() > ends_at:
                raise TooSlow
        return rows[:limit]

    def _parts(self, beyond: Keys | None, *, ascending: bool) -> Iterator[list[Row]]:
        parts = RejectPart.objects.filter(run=self.run).order_by("position")
        if beyond is not None:
            sign = "lte" if ascending else "gte"
            parts = parts.filter(**{f"position__{sign}": beyond[0]})
        for part in (parts.reverse() if ascending else parts).iterator(1):
            rejects = enumerate(chunk_writer.rejects_of(part.body))
            yield [
                Row(part.position, place, reject)
                for place, reject in rejects
                if self.counts(reject)
            ]

    def keys_of(self, row: Row) -> Keys:
        """Return the keys of a row."""
        return (row.position, row.place)

    def of(self, people: Collection[int]) -> RejectedRows:
        """Return all rows: rejected rows belong to no known person, so ``people`` has no effect."""
        return self


def rows(run: Import, name: str) -> RejectedRows:
    """Return the number called ``name``, with its rows. Raise KeyError for an unknown name."""
    if name == REJECTED:
        return RejectedRows(run, name, run.n_rejected, _("Rejected rows"))
    return {number.name: number for number in with_a_cell_left_out(run)}[name]


def with_a_cell_left_out(run: Import) -> list[RejectedRows]:
    """Return the numbers that count rows imported without a cell, or with an unusable one."""
    headers = [column["header"] for column in run.plan.get("columns", [])]
    header_of_target = {
        column["target"]: column["header"] for column in run.plan.get("columns", [])
    }
    unusable = [
        RejectedRows(run, UNUSABLE + kind, n, str(mapping.FIELDS[kind]), header_of_target[kind])
        for kind, n in run.problem_counts.get("unusable", {}).items()
        if kind in header_of_target and kind in KINDS
    ]
    # The name of a column may be personal data: the address holds its index instead.
    column_indexes = {header: headers.index(header) for header in headers}
    return unusable + [
        RejectedRows(
            run, f"{LEFT_OUT}{column_indexes[header]}", n, _label(header, column_indexes), header
        )
        for header, n in run.problem_counts.get("left_out", {}).items()
        if header in column_indexes
    ]


def _label(header: str, column_indexes: Mapping[str, int]) -> str:
    return header.strip() or _("Column %(n)s") % {"n": column_indexes[header] + 1}
