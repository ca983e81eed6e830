"""Lists made of several tables or conditions, read page by page by keys from either end."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from django.db.models import Model, QuerySet

from audiencesync.core import chunks

PLACE = re.compile(r"[0-9]{1,4}(-[0-9]{1,18}){1,3}", re.ASCII)
Keys = tuple[int, ...]


class Part(Protocol):
    """Rows in descending order of keys that are unique in the part."""

    def read(self, limit: int, *, beyond: Keys | None, ascending: bool) -> Sequence[Any]:
        """Return the next rows after the keys ``beyond``, in this direction."""

    def keys_of(self, row: Any) -> Keys:
        """Return the keys of a row."""

    def of(self, people: Collection[int]) -> Part:
        """Return the rows of these profiles only."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A part that is one query, ordered by ``keys`` (an index should have that order).

    ``person``: the name of the column with the profile.
    """

    found: QuerySet[Any]
    keys: tuple[str, ...] = ("pk",)
    person: str = "profile"

    def read(self, limit: int, *, beyond: Keys | None, ascending: bool) -> Sequence[Any]:
        """Return the next rows. Raise ValueError for keys that this part cannot have."""
        rows = self.found
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
        """Return the rows of these profiles only."""
        return replace(self, found=self.found.filter(**{f"{self.person}__in": people}))


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
        if not PLACE.fullmatch(text):
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
    found = _read(parts, size + 1, start, ascending=ascending)
    has_more = len(found) > size
    found = found[:size]
    if ascending:
        found.reverse()
    if not found:
        return Page([])
    first, last = (Place(at, parts[at].keys_of(row)) for at, row in (found[0], found[-1]))
    has_older = has_more if not ascending else after is not None
    has_newer = has_more if ascending else before is not None
    return Page(
        [row for _at, row in found],
        older=last if has_older else None,
        newer=first if has_newer else None,
    )


def asked(parts: Sequence[Part], size: int, data: Mapping[str, str]) -> Page:
    """Return the page that an address asks for (before, after, last); else the first one."""
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
    found: list[tuple[int, Any]] = []
    for at in reversed(numbers) if ascending else numbers:
        if at >= len(parts) or len(found) >= limit:
            continue
        beyond = start.keys if start is not None and start.part == at else None
        rows = parts[at].read(limit - len(found), beyond=beyond, ascending=ascending)
        found += [(at, row) for row in rows]
    return found


def in_chunks(parts: Sequence[Part], size: int) -> Iterator[list[Any]]:
    """Yield all rows, ``size`` at a time; only one chunk is in memory."""
    before: Place | None = None
    while rows := (one := page(parts, size, before=before)).rows:
        yield rows
        if one.older is None:
            return
        before = one.older
