"""Give errored people another retry window: all of a Sync, those of one reason, or some of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from django.db.models import Count, F, Q, QuerySet

from audiencesync.core import lists
from partners.models import Audience, Batch, Delivery, Outcome, Sync
from partners.people import counted
from partners.queue import enqueue, tally

CHUNK = 10_000
ERRORED = Q(outcome=Outcome.ERRORED) | Q(outcome=None, batch__state=Outcome.ERRORED)


def in_place(
    sync: Sync,
    *,
    reason: str | None = None,
    only: Collection[int] | None = None,
    now: datetime,
) -> int:
    """Put errored people of ``sync`` into new batches of it. Return how many were errored.

    ``reason``: only those of this reason or code. ``only``: ids of deliveries. In transactions of
    some ten thousand people.
    """
    return sum(_retry(sync, rows, now=now) for rows in _chunks(sync, reason, only))


def _chunks(
    sync: Sync, reason: str | None, only: Collection[int] | None
) -> Iterator[Sequence[Delivery]]:
    """Yield errored deliveries in chunks. The walk reads each of them once, and no others."""
    if only is None:
        yield from lists.in_chunks(counted.parts([sync.pk], Outcome.ERRORED, reason), CHUNK)
    elif rows := list(errored(sync, reason, only).order_by("pk")):
        yield rows


def errored(sync: Sync, reason: str | None, only: Collection[int]) -> QuerySet[Delivery]:
    """Return those of these deliveries that are errored, for a reason."""
    found = Delivery.objects.filter(ERRORED, sync=sync, pk__in=only)
    if reason is not None:
        own = Q(outcome=Outcome.ERRORED, reason=reason)
        own |= Q(outcome=None, batch__last_code=reason)
        found = found.filter(own)
    return found


def _retry(sync: Sync, rows: Iterable[Delivery], *, now: datetime) -> int:
    """Put a chunk into new batches, in one transaction. Return how many were still errored."""
    with tally.atomic(now=now) as moves:
        # Lock the audience first and then the batches, as an enqueue does.
        list(
            Audience.objects.select_for_update(no_key=True)
            .filter(pk=sync.audience_id)
            .values_list("pk")
        )
        batches = Batch.objects.filter(pk__in={row.batch_id for row in rows if row.batch_id})
        held = batches.lock_ids()
        chosen = Delivery.objects.filter(ERRORED, batch__in=held, pk__in=[row.pk for row in rows])
        ids = list(chosen.order_by("pk").values_list("pk", flat=True))
        if not ids:
            return 0
        left = (
            Delivery.objects.filter(pk__in=ids, outcome=None)
            .values_list("batch")
            .annotate(n=Count("pk"))
            .order_by()
        )
        for batch_id, n in sorted(left):
            Batch.objects.filter(pk=batch_id).update(n=F("n") - n)
        moves.shift(sync.pk, len(ids), out_of="errored", to="pending")
        is_unclear = batches.filter(attempts__gt=0).exists()
        enqueue.put_in_batches(sync, ids, is_unclear=is_unclear, now=now)
        return len(ids)
