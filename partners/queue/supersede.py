"""The last operation wins: it cancels a waiting, opposite operation on the same person.

``seq`` orders the operations on an audience. An add and a removal of the same person are
opposite: the later one cancels the earlier one, unless that has been sent already.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import BigIntegerField, Case, Exists, Min, OuterRef, Q, QuerySet, Value, When

from partners.models import Action, Batch, Delivery, Outcome, Reason, Sync, lane_q
from partners.models.batch_queries import BatchQuerySet
from partners.queue import outcomes

MAX_BIGINT = 2**63 - 1
VOID = (Outcome.CANCELLED, Outcome.NOT_SYNCED)
"""Outcomes of deliveries that count as never sent: they supersede nothing."""


def cancel_opposite(sync: Sync, entered: Iterable[Batch], *, now: datetime) -> None:
    """Cancel waiting, opposite deliveries of the people in these new batches.

    A leased batch is in flight: the new batches wait for it (``barrier``), and its deliveries are
    checked when its lease ends (``cancel_superseded``).
    """
    waiting_ids = _waiting_opposite(sync).lock_ids()
    new_ids = [batch.pk for batch in entered]
    if waiting_ids and new_ids:
        profiles = Delivery.objects.filter(batch__in=new_ids).values("profile")
        outcomes.cancel(
            Delivery.objects.filter(batch__in=waiting_ids, outcome=None, profile__in=profiles),
            Reason.SUPERSEDED,
            now=now,
        )


def _waiting_opposite(sync: Sync) -> BatchQuerySet:
    """Return the waiting batches of the same audience with the opposite action.

    Batches that are about to move to another audience (queue/move.py) are left out.
    """
    opposite = Action(sync.action).opposite
    stays = Q(moves_to=None) | Q(moves_to__audience=sync.audience_id)
    return Batch.objects.waiting().filter(stays, audience=sync.audience_id, action=opposite)


def cancel_superseded(batches: Iterable[Batch], *, now: datetime) -> None:
    """Cancel the deliveries of these batches whose person has a later, opposite one."""
    for batch in maybe_superseded(batches):
        later = opposite_deliveries(batch).filter(batch__seq__gt=batch.seq)
        outcomes.cancel(
            Delivery.objects.filter(Exists(later), batch=batch, outcome=None),
            Reason.SUPERSEDED,
            now=now,
        )


def opposite_deliveries(operation: Batch | Sync) -> "QuerySet[Delivery]":
    """Return a subquery: deliveries of the outer row's person with the opposite action.

    Deliveries to other audiences do not count, nor do those that were cancelled or not synced.
    """
    opposite = Delivery.objects.filter(
        profile=OuterRef("profile"),
        batch__audience=operation.audience_id,
        batch__action=Action(operation.action).opposite,
    )
    return opposite.exclude(outcome__in=VOID).exclude(batch__state=Outcome.CANCELLED)


def reverted_q() -> Exists:
    """Match adds whose person has left the step: a delivery reverts them, with any outcome."""
    return Exists(Delivery.objects.filter(sync__undoes=OuterRef("sync"), entry_key=OuterRef("pk")))


def maybe_superseded(batches: Iterable[Batch]) -> list[Batch]:
    """Return the batches that have a later, opposite batch in the audience, of any people."""
    pairs = [(batch, Action(batch.action).opposite) for batch in batches]
    newest = {
        pair: _newest_seq(*pair)
        for pair in {(batch.audience_id, opposite) for batch, opposite in pairs}
    }
    return [batch for batch, opposite in pairs if newest[batch.audience_id, opposite] > batch.seq]


def _newest_seq(audience_id: int, action: Action) -> int:
    # One lookup in the index batch_wish, however many batches there are.
    seqs = (
        Batch.objects.filter(audience=audience_id, action=action)
        .order_by("-seq")
        .values_list("seq", flat=True)
    )
    return seqs.first() or 0


def no_longer_wanted(sync: Sync, delivery_ids: list[int]) -> list[int]:
    """Return those of the deliveries that are reverted, or superseded by a later operation."""
    later = opposite_deliveries(sync).filter(batch__seq__gt=OuterRef("batch__seq"))
    return list(
        Delivery.objects.filter(Exists(later) | reverted_q(), pk__in=delivery_ids).values_list(
            "pk", flat=True
        )
    )


def oldest_in_flight(lane: str) -> dict[tuple[int, str], int]:
    """Return (audience id, action) -> the smallest seq of the batches in flight.

    A repeat counts before it is leased, too: as it has no deliveries, nothing supersedes it.
    """
    pending = Batch.objects.pending().filter(lane_q(lane, "ad_account__"))
    in_flight = pending.filter(~Q(lease="") | Q(repeat_of__isnull=False)).values_list(
        "audience", "action"
    )
    return {
        (audience, action): seq
        for audience, action, seq in in_flight.annotate(oldest=Min("seq")).order_by()
    }


def barrier(oldest: dict[tuple[int, str], int]) -> Case:
    """Return the seq beyond which a batch must wait for opposite ones (``oldest_in_flight``)."""
    cases = [
        When(audience=audience_id, action=Action(action).opposite, then=Value(seq))
        for (audience_id, action), seq in oldest.items()
    ]
    return Case(*cases, default=Value(MAX_BIGINT), output_field=BigIntegerField())
