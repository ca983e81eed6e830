"""The people behind a number: the deliveries that a tally counts, as the parts of one list.

Delivery.outcome is NULL while a delivery has the outcome of its batch (Batch.state). Then Batch.n
counts it, and its reason is the last code of the batch. Otherwise the delivery has an outcome and a
reason of its own. People who were moved to another Sync (Reason.MOVED) are listed only with that
Sync, unless their reason is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.expressions import OrderBy

from audiencesync.core import chunks
from audiencesync.core.lists import Keys, Part, Rows
from partners.models import Batch, Delivery, Outcome, Reason, Tally

SORT_KEYS = ("batch_id", "pk")


@dataclass(frozen=True, slots=True)
class DeliveriesWithBatchOutcome:
    """A `Part` of a list: deliveries with the outcome of their batch, the newest batch first.

    ``asked_reason``: the last code of the batch; None for all but moved people.
    """

    sync_ids: tuple[int, ...]
    outcome: Outcome
    asked_reason: str | None

    def read(self, limit: int, *, beyond: Keys | None, ascending: bool) -> Sequence[Delivery]:
        """Return the next deliveries after the keys ``beyond``. Two queries."""
        if beyond is not None and len(beyond) != len(SORT_KEYS):
            raise ValueError
        rows = Delivery.objects.filter(
            batch__in=self._batch_ids(limit, beyond, ascending=ascending), outcome=None
        ).select_related("batch")
        if beyond is not None:
            rows = rows.filter(chunks.compare_keys(SORT_KEYS, ">" if ascending else "<", beyond))
        sign = "" if ascending else "-"
        return list(rows.order_by(*(f"{sign}{key}" for key in SORT_KEYS))[:limit])

    def keys_of(self, row: Delivery) -> Keys:
        """Return the keys of a delivery."""
        return row.batch_id or 0, row.pk  # all rows of `read` have a batch

    def _batch_ids(self, limit: int, beyond: Keys | None, *, ascending: bool) -> list[int]:
        """Return the ids of enough batches for ``limit`` deliveries after ``beyond``.

        The batch of ``beyond`` comes first. Its people do not count, because some of them were
        listed before.
        """
        batches = self.batches().order_by("pk" if ascending else "-pk")
        if beyond is not None:
            batches = batches.filter(**{"pk__gte" if ascending else "pk__lte": beyond[0]})
        batch_ids, n_people = list[int](), 0
        # Each batch has at least one such delivery, so ``limit`` batches beside that of ``beyond``
        # are enough.
        for pk, n in batches.values_list("pk", "n")[: limit + 1]:
            batch_ids.append(pk)
            n_people += n if beyond is None or pk != beyond[0] else 0
            if n_people >= limit:
                break
        return batch_ids

    def of(self, profile_ids: Collection[int]) -> Part:
        """Return the part with the deliveries of these profiles only."""
        rows = Delivery.objects.filter(
            profile__in=profile_ids, sync__in=self.sync_ids, outcome=None
        )
        rows = rows.filter(batch__state=self.outcome).select_related("batch")
        if self.asked_reason is None:
            return Rows(rows.exclude(batch__last_code=Reason.MOVED))
        return Rows(rows.filter(batch__last_code=self.asked_reason))

    def batches(self) -> QuerySet[Batch]:
        """Return the batches; each has at least one of the deliveries (Batch.n > 0)."""
        batches = Batch.objects.filter(sync__in=self.sync_ids, state=self.outcome, n__gt=0)
        if self.asked_reason is None:
            return batches.exclude(last_code=Reason.MOVED)
        return batches.filter(last_code=self.asked_reason)


def parts(syncs: Iterable[int], outcome: Outcome, asked_reason: str | None) -> list[Part]:
    """Return the sources that list the deliveries of ``syncs`` with this outcome and reason.

    ``asked_reason``: empty for deliveries without a reason; None for all but moved people.
    """
    sync_ids = tuple(syncs)
    own_outcomes: list[Part] = [
        Rows(deliveries(sync_id, outcome, reason))
        for sync_id in sync_ids
        for reason in _matching_reasons(sync_id, outcome, asked_reason)
    ]
    return [DeliveriesWithBatchOutcome(sync_ids, outcome, asked_reason), *own_outcomes]


def deliveries(sync_id: int, outcome: Outcome, reason: str | None) -> QuerySet[Delivery]:
    """Return the deliveries of a Sync with this outcome of their own; reason None matches NULL."""
    rows = Delivery.objects.filter(sync=sync_id, outcome=outcome, reason=reason)
    return rows.select_related("batch")


def _matching_reasons(
    sync_id: int, outcome: Outcome, asked_reason: str | None
) -> Iterator[str | None]:
    """Yield the stored reasons (None: NULL) that ``asked_reason`` stands for."""
    if asked_reason:
        yield asked_reason
        return
    for reason in own_outcome_reasons(sync_id, outcome):
        if asked_reason is not None and reason:
            return  # only those without a reason are asked for: NULL and "" come first
        if reason != Reason.MOVED:
            yield reason


def own_outcome_reasons(sync_id: int, outcome: Outcome) -> Iterator[str | None]:
    """Yield each stored reason of the deliveries of a Sync with this outcome of their own.

    NULL (None) and "" come first.
    """
    # A loose index scan: one index lookup per reason, instead of reading each delivery.
    rows = Delivery.objects.filter(sync=sync_id, outcome=outcome)
    # Read in the order of the index: a plain search for NULL reads all deliveries if there is none.
    first_reason = rows.order_by(_nulls_first()).values_list("reason", flat=True)[:1]
    if None in first_reason:
        yield None
    reason = rows.exclude(reason=None).order_by("reason").values_list("reason", flat=True).first()
    while reason is not None:
        yield reason
        next_rows = rows.filter(reason__gt=reason).order_by("reason")
        reason = next_rows.values_list("reason", flat=True).first()


def _nulls_first() -> OrderBy:
    """Return the order with NULL first that the plain index has on this database."""
    reason = F("reason")  # PostgreSQL sorts NULL after, SQLite before all values
    return reason.desc() if connection.vendor == "postgresql" else reason.asc()


def n_deleted(syncs: Iterable[int], outcome: Outcome, asked_reason: str | None) -> int:
    """Return how many of the counted deliveries were deleted since (queue/retention.py)."""
    # Tally.base: outcome -> reason -> count of deleted deliveries. The primary key of a tally is
    # that of its Sync.
    deleted_counts = Tally.objects.filter(pk__in=list(syncs)).values_list("base", flat=True)
    return sum(
        n
        for counts in deleted_counts
        for reason, n in counts.get(outcome, {}).items()
        if (reason != Reason.MOVED if asked_reason is None else reason == asked_reason)
    )


def outcomes_of(syncs: Iterable[int]) -> list[Outcome]:
    """Return the outcomes that people of these Syncs have. One query."""
    tallies = list(Tally.objects.filter(pk__in=list(syncs)))
    return [outcome for outcome in Outcome if any(getattr(tally, outcome) for tally in tallies)]
