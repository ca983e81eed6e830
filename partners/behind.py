"""The people behind a number: the deliveries that ``sync.reasons`` counts, page by page, and how many are gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import BigIntegerField, BooleanField, F, Func, Q, QuerySet, Value

from partners.models import Delivery, Outcome, Tally

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the list a page begins: the Sync and the entry key of the delivery next to it."""

    sync: int
    entry_key: int

    def __str__(self) -> str:
        return f"{self.sync}-{self.entry_key}"


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of the list, who entered last first. ``older`` and ``newer``: where to go on, if there is more."""

    deliveries: list[Delivery]
    older: Place | None
    newer: Place | None


def people(syncs: Iterable[int], outcome: Outcome, reason: str) -> QuerySet[Delivery]:
    """Deliveries of ``syncs`` that ended (or wait) so, with this reason; empty: none was noted."""
    own, together = (
        Q(outcome=outcome, reason=reason),
        Q(outcome=None, batch__state=outcome, batch__last_code=reason),
    )
    if not reason:
        own |= Q(outcome=outcome, reason=None)
    return Delivery.objects.filter(own | together, sync__in=list(syncs)).select_related("batch")


def no_longer_kept(syncs: Iterable[int], outcome: Outcome, reason: str) -> int:
    """How many of them are counted, but their deliveries were dropped after a time (retention.py)."""
    bases = Tally.objects.filter(pk__in=list(syncs)).values_list("base", flat=True)
    return sum(base.get(outcome, {}).get(reason, 0) for base in bases)


def page(
    found: QuerySet[Delivery], size: int, *, before: Place | None = None, after: Place | None = None
) -> Page:
    """One page by the keys at its ends, along the index that the deliveries of a Sync have anyway."""
    if after is not None:
        rows = list(found.filter(_beside(after, ">")).order_by("sync", "entry_key")[: size + 1])
        has_newer, has_older = len(rows) > size, True
        rows = rows[:size][::-1]
    else:
        older = found if before is None else found.filter(_beside(before, "<"))
        rows = list(older.order_by("-sync", "-entry_key")[: size + 1])
        has_newer, has_older = before is not None, len(rows) > size
        rows = rows[:size]
    return Page(
        rows,
        older=_place(rows[-1]) if rows and has_older else None,
        newer=_place(rows[0]) if rows and has_newer else None,
    )


def chunks(found: QuerySet[Delivery]) -> Iterator[list[Delivery]]:
    """All of them, who entered last first, some thousand at a time: nothing is held while they travel."""
    before: Place | None = None
    while rows := (one := page(found, CHUNK, before=before)).deliveries:
        yield rows
        if one.older is None:
            return
        before = one.older


def _place(row: Delivery) -> Place:
    return Place(row.sync_id, row.entry_key)


def _beside(place: Place, sign: str) -> Func:
    """(sync, entry key) < (a, b): compared as a row, so that the index leads to the place at once."""
    big = BigIntegerField()
    row = Func(F("sync"), F("entry_key"), template="(%(expressions)s)", output_field=big)
    other = Func(
        Value(place.sync, big),
        Value(place.entry_key, big),
        template="(%(expressions)s)",
        output_field=big,
    )
    return Func(
        row, other, template="%(expressions)s", arg_joiner=f" {sign} ", output_field=BooleanField()
    )
