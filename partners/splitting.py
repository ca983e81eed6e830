"""Cuts batches into pieces: to a learned cap, or in half again and again until a poisonous person stands alone."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Q

from partners import ordering
from partners.models import AdAccount, Batch, Delivery, Outcome


def learn_cap(ad_account: AdAccount, people: int) -> None:
    """Remember that a request to this ad account may carry at most ``people``; a cap only ever falls."""
    larger = Q(learned_cap=None) | Q(learned_cap__gt=people)
    AdAccount.objects.filter(larger, pk=ad_account.pk).update(learned_cap=max(1, people))


def split_to_cap(batch: Batch, cap: int, *, now: datetime) -> None:
    """Cut a batch into pieces of at most ``cap`` people, all of them due at once. Inside the caller's transaction."""
    if batch.n > cap:
        _cut(batch, max(1, cap), now=now)


def bisect(batch: Batch, *, now: datetime, refusals: int) -> None:
    """Halve a batch that was refused as a whole, inside the caller's transaction.

    The first half is tried alone. Refused: it is halved in turn, and the second half may travel. Taken: the poison is
    in the second half, which is halved without a try (``sibling_ended``). So one poisonous person costs about
    log2(n) requests.
    """
    halves = _cut(batch, -(-batch.n // 2), now=now)
    for half in halves:
        half.sharing = Batch.Sharing.ALONE
        half.refusals = refusals
    halves[1].waits_for = halves[0]
    Batch.objects.bulk_update(halves, ["sharing", "refusals", "waits_for"])


def sibling_ended(batches: Sequence[Batch], state: Outcome, *, now: datetime) -> None:
    """Second halves that waited for these batches go on: halved if the first half was taken, else tried themselves."""
    held = Batch.objects.select_for_update().filter(waits_for__in=[batch.pk for batch in batches])
    for half in held.filter(state=Outcome.PENDING):
        half.waits_for = None
        half.save(update_fields=["waits_for"])
        if state == Outcome.SYNCED and half.n > 1:
            bisect(half, now=now, refusals=half.refusals)


def _release_second_half(batch: Batch, *, now: datetime) -> None:
    """The first half was refused as well: nothing is known about the second. It goes a little later, so that the
    second halves of the levels to come may travel with it."""
    later = now + timedelta(seconds=settings.SYNC["backoff_base"])
    Batch.objects.filter(waits_for=batch.pk).update(waits_for=None, sharing=Batch.Sharing.AUDIENCE, due_at=later)


def _cut(batch: Batch, size: int, *, now: datetime) -> list[Batch]:
    """Move everybody but the first ``size`` into new batches of the same wish; the batch keeps the first piece."""
    members = Delivery.objects.filter(batch=batch, outcome=None).order_by("pk")
    ids = list(members.values_list("pk", flat=True))
    pieces = [batch]
    for start in range(size, len(ids), size):
        piece = _copy(batch, now=now)
        last = ids[min(start + size, len(ids)) - 1]
        moved = Delivery.objects.filter(batch=batch, outcome=None, pk__gte=ids[start], pk__lte=last)
        moved.update(batch=piece)
        pieces.append(piece)
    _release_second_half(batch, now=now)
    counted = dict(
        Delivery.objects.filter(batch__in=pieces, outcome=None).values_list("batch").annotate(n=Count("pk")).order_by()
    )
    for piece in pieces:
        piece.n = counted.get(piece.pk, 0)
        piece.lease, piece.lease_until, piece.due_at = "", None, now
    Batch.objects.bulk_update(
        pieces, ["n", "lease", "lease_until", "due_at", "first_failed_at", "deadline_at", "last_code"]
    )
    ordering.release(pieces, now=now)
    return pieces


def _copy(batch: Batch, *, now: datetime) -> Batch:
    """A new empty batch with the wish, the place in the order and the clock of ``batch``."""
    return Batch.objects.create(
        sync_id=batch.sync_id,
        audience_id=batch.audience_id,
        ad_account_id=batch.ad_account_id,
        action=batch.action,
        kinds=batch.kinds,
        seq=batch.seq,
        sharing=batch.sharing,
        created_at=batch.created_at,
        due_at=now,
        first_failed_at=batch.first_failed_at,
        deadline_at=batch.deadline_at,
        attempts=batch.attempts,
        refusals=batch.refusals,
        cancel_requested=batch.cancel_requested,
        last_code=batch.last_code,
    )
