"""The people behind a number: the deliveries that ``sync.reasons`` counts, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from audiencesync.core import chunks
from partners.models import Delivery, Outcome, Tally

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Place:
    """The keys of the delivery at the end of the page before."""

    sync: int
    entry_key: int

    def __str__(self) -> str:
        return f"{self.sync}-{self.entry_key}"

    @property
    def keys(self) -> tuple[int, int]:
        return self.sync, self.entry_key


@dataclass(frozen=True, slots=True)
class Page:
    """One page. ``older`` and ``newer``: where the page on that side begins, if there is one."""

    deliveries: list[Delivery]
    older: Place | None
    newer: Place | None


def people(syncs: Iterable[int], outcome: Outcome, reason: str) -> QuerySet[Delivery]:
    """Return deliveries of ``syncs`` with this outcome and reason (empty: without one)."""
    own, together = (
        Q(outcome=outcome, reason=reason),
        Q(outcome=None, batch__state=outcome, batch__last_code=reason),
    )
    if not reason:
        own |= Q(outcome=outcome, reason=None)
    return Delivery.objects.filter(own | together, sync__in=list(syncs)).select_related("batch")


def no_longer_kept(syncs: Iterable[int], outcome: Outcome, reason: str) -> int:
    """Return how many are counted whose deliveries were deleted (queue/retention.py)."""
    bases = Tally.objects.filter(pk__in=list(syncs)).values_list("base", flat=True)
    return sum(base.get(outcome, {}).get(reason, 0) for base in bases)


def page(
    found: QuerySet[Delivery], size: int, *, before: Place | None = None, after: Place | None = None
) -> Page:
    """Return one page, those who entered last first."""
    one = chunks.page(
        found,
        size,
        keys=("sync", "entry_key"),
        older_than=before.keys if before else None,
        newer_than=after.keys if after else None,
    )
    rows = one.rows
    return Page(
        rows,
        older=_place(rows[-1]) if rows and one.has_older else None,
        newer=_place(rows[0]) if rows and one.has_newer else None,
    )


def in_chunks(found: QuerySet[Delivery]) -> Iterator[list[Delivery]]:
    """Yield all of them, those who entered last first, some thousand at a time."""
    before: Place | None = None
    while rows := (one := page(found, CHUNK, before=before)).deliveries:
        yield rows
        if one.older is None:
            return
        before = one.older


def _place(row: Delivery) -> Place:
    return Place(row.sync_id, row.entry_key)
