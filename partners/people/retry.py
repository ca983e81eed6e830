"""Send errored people again, with a new retry window: all of a Sync, of one reason, or some."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from django.db.models import Count, F, Q, QuerySet

from audiencesync.core import lists
from partners.models import Audience, Batch, Delivery, Outcome, Sync
from partners.people import counted
from partners.queue import enqueue, tally

CHUNK = 10_000  # people in one transaction
ERRORED = Q(outcome=Outcome.ERRORED) | Q(outcome=None, batch__state=Outcome.ERRORED)


def in_same_sync(
    sync: Sync,
    *,
    reason: str | None = None,
    only: Collection[int] | None = None,
    now: datetime,
) -> int:
    """Put errored people of ``sync`` into new batches of it. Return how many were errored.

    ``reason``: only people with this Reason or partner's code. ``only``: ids of deliveries. Each
    transaction takes about 10,000 people.
    """
    return sum(_retry(sync, rows, now=now) for rows in _chunks(sync, reason, only))


def _chunks(
    sync: Sync, reason: str | None, only: Collection[int] | None
) -> Iterator[Sequence[Delivery]]:
    """Yield errored deliveries in chunks."""
    if only is None:
        yield from lists.in_chunks(counted.parts([sync.pk], Outcome.ERRORED, reason), CHUNK)
    elif rows := list(errored(sync, reason, only).order_by("pk")):
        yield rows


def errored(sync: Sync, reason: str | None, only: Collection[int]) -> QuerySet[Delivery]:
    """Return the deliveries among ``only`` that are errored, for ``reason`` if one is given."""
    rows = Delivery.objects.filter(ERRORED, sync=sync, pk__in=only)
    if reason is not None:
        with_reason = Q(outcome=Outcome.ERRORED, reason=reason)
        with_reason |= Q(outcome=None, batch__last_code=reason)
        rows = rows.filter(with_reason)
    return rows


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
        locked_ids = batches.lock_ids()
        still_errored = Delivery.objects.filter(
            ERRORED, batch__in=locked_ids, pk__in=[row.pk for row in rows]
        )
        delivery_ids = list(still_errored.order_by("pk").values_list("pk", flat=True))
        if not delivery_ids:
            return 0
        # Batch.n counts the deliveries that have the outcome of their batch.
        left_by_batch = (
            Delivery.objects.filter(pk__in=delivery_ids, outcome=None)
            .values_list("batch")
            .annotate(n=Count("pk"))
            .order_by()
        )
        for batch_id, n in sorted(left_by_batch):
            Batch.objects.filter(pk=batch_id).update(n=F("n") - n)
        moves.shift(sync.pk, len(delivery_ids), out_of="errored", to="pending")
        is_unclear = batches.filter(attempts__gt=0).exists()
        enqueue.put_in_batches(sync, delivery_ids, is_unclear=is_unclear, now=now)
        return len(delivery_ids)
