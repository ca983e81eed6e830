"""Give deliveries an outcome other than that of their batch; update its ``n`` and the tally."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, F, Q, QuerySet

from partners.base import MAX_CODE
from partners.models import Batch, Delivery, Outcome, Reason
from partners.queue import tally


def set_outcome(
    batch: Batch, delivery_ids: Iterable[int], outcome: Outcome, *, reason: str, now: datetime
) -> int:
    """Give deliveries of a pending batch an outcome, inside the caller's transaction.

    Return how many changed: those with an outcome keep it.
    """
    rows = Delivery.objects.filter(pk__in=list(delivery_ids), batch=batch, outcome=None)
    n = rows.update(outcome=outcome, reason=reason[:MAX_CODE])
    if n:
        Batch.objects.filter(pk=batch.pk).update(n=F("n") - n)
        batch.n -= n
        with tally.atomic(now=now) as changes:
            changes.shift(batch.sync_id, n, to=outcome.value)
    return n


def cancel(
    deliveries: "QuerySet[Delivery]",
    reason: Reason,
    *,
    now: datetime,
    out_of: Outcome = Outcome.PENDING,
) -> None:
    """Cancel deliveries without an outcome; all their batches are in the state ``out_of``."""
    batch_ids = list(
        deliveries.filter(~Q(batch=None)).order_by().values_list("batch", flat=True).distinct()
    )
    if not batch_ids:
        return
    # Lock the batches before their deliveries are counted and changed: this waits for transactions
    # that cancel the same people, so that no person is subtracted twice.
    Batch.objects.filter(pk__in=batch_ids).lock_ids()
    deliveries = deliveries.filter(batch__in=batch_ids)
    groups = sorted(deliveries.order_by().values_list("batch", "sync").annotate(n=Count("pk")))
    deliveries.update(outcome=Outcome.CANCELLED, reason=reason)
    with tally.atomic(now=now) as changes:
        for batch_id, sync_id, n in groups:
            Batch.objects.filter(pk=batch_id).update(n=F("n") - n)
            changes.shift(sync_id, n, to="cancelled", out_of=out_of.value)
