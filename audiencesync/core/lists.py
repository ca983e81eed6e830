"""Lists made of several parts (tables or conditions), one after the other; keyset pagination.

A page is read forwards or backwards from a place, which names a row by the number of its part and
by its keys in that part.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from django.db.models import Model, QuerySet

from audiencesync.core import chunks

_PLACE = re.compile(r"[0-9]{1,4}(-[0-9]{1,18}){1,3}", re.ASCII)
Keys = tuple[int, ...]


class Part(Protocol):
    """Rows in descending order of keys that are unique in the part."""

    def read(self, limit: int, *, beyond: Keys | None, ascending: bool) -> Sequence[Any]:
        """Return the next rows after the keys ``beyond``, in this direction."""

    def keys_of(self, row: Any) -> Keys:
        """Return the keys of a row."""

    def of(self, people: Collection[int]) -> Part:
        """Return the rows of the profiles with these ids only."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A part that is one query, ordered by ``keys`` (an index should have that order).

    ``person``: the name of the column with the profile.
    """

    query: QuerySet[Any]
    keys: tuple[str, ...] = ("pk",)
    person: str = "profile"

    def read(self, limit: int, *, beyond: Keys | None, ascending: bool) -> Sequence[Any]:
        """Return the next rows. Raise ValueError if ``beyond`` has another number of keys."""
        rows = self.query
        if beyond is not None:
            if len(beyond) != len(self.keys):
                raise ValueError
            rows = rows.filter(chunks.compare_keys(self.keys, ">" if ascending else "<", beyond))
        sign = "" if ascending else "-"
        return list(rows.order_by(*(f"{sign}{key}" for key in self.keys))[:limit])

    def keys_of(self, row: Model) -> Keys:
        """Return the keys of a row."""
        return tuple(getattr(row, key) for key in self.keys)

    def of(self, people: Collection[int]) -> Part:
        """Return the rows of the profiles with these ids only."""
        return replace(self, query=self.query.filter(**{f"{self.person}__in": people}))


@dataclass(frozen=True, slots=True)
class Place:
    """The row at which a page ends: the number of its part, and its keys there."""

    part: int
    keys: Keys

    def __str__(self) -> str:
        return "-".join(map(str, (self.part, *self.keys)))

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """Return the place that a text names; None if it names none."""
        if not _PLACE.fullmatch(text):
            return None
        part, *keys = map(int, text.split("-"))
        return cls(part, tuple(keys))


@dataclass(frozen=True, slots=True)
class Page:
    """One page. ``older`` and ``newer``: where the page on that side begins, if there is one."""

    rows: list[Any]
    older: Place | None = None
    newer: Place | None = None


def page(
    parts: Sequence[Part],
    size: int,
    *,
    before: Place | None = None,
    after: Place | None = None,
    is_last: bool = False,
) -> Page:
    """Return one page: the first, the one ``before`` or ``after`` a place, or the last one."""
    ascending = is_last or after is not None
    start = after or before
    # One row more than a page shows whether there are further ones in this direction.
    numbered_rows = _read(parts, size + 1, start, ascending=ascending)
    has_more = len(numbered_rows) > size
    numbered_rows = numbered_rows[:size]
    if ascending:  # read from the end: a page is always in descending order
        numbered_rows.reverse()
    if not numbered_rows:
        return Page([])
    first, last = (
        Place(part, parts[part].keys_of(row)) for part, row in (numbered_rows[0], numbered_rows[-1])
    )
    has_older = has_more if not ascending else after is not None
    has_newer = has_more if ascending else before is not None
    return Page(
        [row for _part, row in numbered_rows],
        older=last if has_older else None,
        newer=first if has_newer else None,
    )


def requested_page(parts: Sequence[Part], size: int, data: Mapping[str, str]) -> Page:
    """Return the page that a query string names (before, after, last), else the first one."""
    before, after = (Place.parse(data.get(name, "")) for name in ("before", "after"))
    is_last = "last" in data and not (before or after)
    try:
        return page(parts, size, before=before, after=after, is_last=is_last)
    except ValueError:
        return page(parts, size)


def _read(
    parts: Sequence[Part], limit: int, start: Place | None, *, ascending: bool
) -> list[tuple[int, Any]]:
    """Return rows with the number of their part, from ``start`` on in one direction."""
    numbers = range(len(parts))
    if start is not None:
        numbers = range(start.part + 1) if ascending else range(start.part, len(parts))
    numbered_rows: list[tuple[int, Any]] = []
    for part in reversed(numbers) if ascending else numbers:
        # A place in the query string may name a part that this list does not have.
        if part >= len(parts) or len(numbered_rows) >= limit:
            continue
        beyond = start.keys if start is not None and start.part == part else None
        rows = parts[part].read(limit - len(numbered_rows), beyond=beyond, ascending=ascending)
        numbered_rows += [(part, row) for row in rows]
    return numbered_rows


def in_chunks(parts: Sequence[Part], size: int) -> Iterator[list[Any]]:
    """Yield all rows, ``size`` at a time; only one chunk is in memory."""
    before: Place | None = None
    while rows := (chunk := page(parts, size, before=before)).rows:
        yield rows
        if chunk.older is None:
            return
        before = chunk.older
