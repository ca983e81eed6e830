"""The people behind a number: the deliveries that a tally counts, as parts of a list."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.expressions import OrderBy

from audiencesync.core import chunks
from audiencesync.core.lists import Keys, Part, Rows
from partners.models import Batch, Delivery, Outcome, Reason, Tally


@dataclass(frozen=True, slots=True)
class SharedOutcome:
    """Deliveries that share the outcome of their batch, those of the newest batch first."""

    syncs: tuple[int, ...]
    outcome: Outcome
    reason: str | None  # the last code of the batch; None: any but that of moved people

    def read(self, limit: int, *, beyond: Keys | None, ascending: bool) -> Sequence[Delivery]:
        """Return the next deliveries. Two queries: the batches, and those in them."""
        if beyond is not None and len(beyond) != len(KEYS):
            raise ValueError
        rows = Delivery.objects.filter(
            batch__in=self._batches(limit, beyond, ascending=ascending), outcome=None
        ).select_related("batch")
        if beyond is not None:
            rows = rows.filter(chunks.compare_keys(KEYS, ">" if ascending else "<", beyond))
        sign = "" if ascending else "-"
        return list(rows.order_by(*(f"{sign}{key}" for key in KEYS))[:limit])

    def keys_of(self, row: Delivery) -> Keys:
        """Return the keys of a delivery."""
        return row.batch_id or 0, row.pk

    def _batches(self, limit: int, beyond: Keys | None, *, ascending: bool) -> list[int]:
        """Return as many batches as have ``limit`` people, not counting that of ``beyond``."""
        found = self.batches().order_by("pk" if ascending else "-pk")
        if beyond is not None:
            found = found.filter(**{"pk__gte" if ascending else "pk__lte": beyond[0]})
        chosen, people = list[int](), 0
        for pk, n in found.values_list("pk", "n")[: limit + 1]:
            chosen.append(pk)
            people += n if beyond is None or pk != beyond[0] else 0
            if people >= limit:
                break
        return chosen

    def of(self, people: Collection[int]) -> Part:
        """Return the deliveries of these profiles only."""
        mine = Delivery.objects.filter(profile__in=people, sync__in=self.syncs, outcome=None)
        mine = mine.filter(batch__state=self.outcome).select_related("batch")
        if self.reason is None:
            return Rows(mine.exclude(batch__last_code=Reason.MOVED))
        return Rows(mine.filter(batch__last_code=self.reason))

    def batches(self) -> QuerySet[Batch]:
        """Return the batches; each has at least one of the deliveries."""
        found = Batch.objects.filter(sync__in=self.syncs, state=self.outcome, n__gt=0)
        if self.reason is None:
            return found.exclude(last_code=Reason.MOVED)
        return found.filter(last_code=self.reason)


KEYS = ("batch_id", "pk")


def parts(syncs: Iterable[int], outcome: Outcome, reason: str | None) -> list[Part]:
    """Return the deliveries of ``syncs`` with this outcome and reason.

    ``reason``: empty for those without one; None for all but those of moved people.
    """
    mine = tuple(syncs)
    own: list[Part] = [
        Rows(deliveries(sync_id, outcome, why))
        for sync_id in mine
        for why in _own(sync_id, outcome, reason)
    ]
    return [SharedOutcome(mine, outcome, reason), *own]


def deliveries(sync_id: int, outcome: Outcome, reason: str | None) -> QuerySet[Delivery]:
    """Return the deliveries of a Sync whose outcome differs from that of their batch."""
    mine = Delivery.objects.filter(sync=sync_id, outcome=outcome, reason=reason)
    return mine.select_related("batch")


def _own(sync_id: int, outcome: Outcome, reason: str | None) -> Iterator[str | None]:
    """Yield the reasons by which the deliveries of a Sync have an outcome of their own."""
    if reason:
        yield reason
        return
    for why in own_reasons(sync_id, outcome):
        if reason is not None and why:
            return
        if why != Reason.MOVED:
            yield why


def own_reasons(sync_id: int, outcome: Outcome) -> Iterator[str | None]:
    """Yield each reason by which deliveries of a Sync have this outcome of their own."""
    # One index lookup per reason, instead of reading each delivery. Without this, the search for
    # a reason that no delivery has would read all deliveries.
    mine = Delivery.objects.filter(sync=sync_id, outcome=outcome)
    found = mine.order_by(_nulls_first()).values_list("reason", flat=True)[:1]
    if None in found:
        yield None
    last = mine.exclude(reason=None).order_by("reason").values_list("reason", flat=True).first()
    while last is not None:
        yield last
        later = mine.filter(reason__gt=last).order_by("reason")
        last = later.values_list("reason", flat=True).first()


def _nulls_first() -> OrderBy:
    """Return the direction of an index that begins with what is NULL."""
    reason = F("reason")
    return reason.desc() if connection.vendor == "postgresql" else reason.asc()


def no_longer_kept(syncs: Iterable[int], outcome: Outcome, reason: str | None) -> int:
    """Return how many are counted whose deliveries were deleted (queue/retention.py)."""
    bases = Tally.objects.filter(pk__in=list(syncs)).values_list("base", flat=True)
    return sum(
        n
        for base in bases
        for why, n in base.get(outcome, {}).items()
        if (why != Reason.MOVED if reason is None else why == reason)
    )


def outcomes_of(syncs: Iterable[int]) -> list[Outcome]:
    """Return the outcomes that people of these Syncs have. One query."""
    tallies = list(Tally.objects.filter(pk__in=list(syncs)))
    return [one for one in Outcome if any(getattr(tally, one) for tally in tallies)]
