"""Cut batches: to a learned cap, or in half until one person with bad data is alone.

A cap is how many people one request to an ad account may carry.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Q

from partners.models import AdAccount, Batch, Delivery, Outcome
from partners.queue import supersede


def learn_cap(ad_account: AdAccount, people: int) -> None:
    """Store that a request to this ad account may carry at most ``people``. A cap only falls."""
    would_fall = Q(learned_cap=None) | Q(learned_cap__gt=people)
    AdAccount.objects.filter(would_fall, pk=ad_account.pk).update(learned_cap=max(1, people))


def split_to_cap(batch: Batch, cap: int, *, now: datetime) -> None:
    """Cut a batch into pieces of at most ``cap`` people, due at once.

    Runs inside the caller's transaction.
    """
    if batch.n > cap:
        _cut(batch, max(1, cap), now=now)


def bisect(
    batch: Batch,
    *,
    now: datetime,
    refusals: int = 0,
    crashes: int = 0,
    refused_n: int | None = None,
) -> None:
    """Halve a batch that was refused as a whole, or killed its workers.

    Runs inside the caller's transaction. The first half is tried alone, while the second half waits
    (``waits_for``). If the first half is refused, it is halved in turn, and the second half is
    sent. If it is accepted, the bad data is in the second half, which is halved without a try. So
    one bad person costs about log2(n) requests. ``refused_n``: how many people were refused
    together, if their number may be the cause.
    """
    halves = _cut(batch, -(-batch.n // 2), now=now)  # rounded up: at most two halves
    for half in halves:
        half.sharing = Batch.Sharing.ALONE
        half.refusals, half.crashes, half.refused_n = refusals, crashes, None
    if len(halves) > 1:
        halves[1].waits_for, halves[1].refused_n = halves[0], refused_n
    Batch.objects.bulk_update(halves, ["sharing", "refusals", "crashes", "refused_n", "waits_for"])


def release_second_halves(batches: Sequence[Batch], state: Outcome, *, now: datetime) -> None:
    """Release second halves that waited for these batches, which have ended as ``state``.

    If the first half was accepted, the second half is halved; otherwise it is tried whole.
    """
    waiting = Batch.objects.select_for_update().filter(
        waits_for__in=[batch.pk for batch in batches]
    )
    for half in waiting.filter(state=Outcome.PENDING).order_by("pk"):
        if state != Outcome.SYNCED or _has_lost_people(half):
            # The second half need not have the bad data, so it teaches nothing if it is accepted.
            half.refused_n = None
        half.waits_for = None
        half.save(update_fields=["waits_for", "refused_n"])
        if state == Outcome.SYNCED and half.n > 1:
            bisect(
                half,
                now=now,
                refusals=half.refusals,
                crashes=half.crashes,
                refused_n=half.refused_n,
            )
    if state == Outcome.SYNCED:
        for batch in batches:
            _learn_from_contradiction(batch)


def _has_lost_people(half: Batch) -> bool:
    """Return whether a person was taken out of one of the halves, perhaps the one with bad data."""
    halves = [half.pk, half.waits_for_id]
    return Delivery.objects.filter(batch__in=halves).exclude(outcome=None).exists()


def _learn_from_contradiction(batch: Batch) -> None:
    """Learn a cap if a batch was refused for its number of people, not for their data.

    ``batch`` is a piece that should have the bad data and was accepted all the same. Two such
    pieces of one batch mean that both of its halves were refused, but all smaller pieces accepted.
    """
    if batch.refused_n is None:
        return
    pieces = Batch.objects.filter(
        audience=batch.audience_id, action=batch.action, seq=batch.seq, state=Outcome.SYNCED
    )
    contradictions = pieces.exclude(refused_n=None).values_list("refused_n", flat=True)[:2]
    sizes = [n for n in contradictions if n]
    if len(sizes) > 1:
        learn_cap(batch.ad_account, -(-min(sizes) // 2))


def cut_repeat(repeat: Batch, *, now: datetime) -> bool:
    """Halve a repeat, inside the caller's transaction. Return False if it has one person.

    A repeat has no deliveries of its own: each half gets a range of delivery ids.
    """
    until = Q() if repeat.repeat_until is None else Q(pk__lte=repeat.repeat_until)
    members = Delivery.objects.filter(
        until, batch=repeat.repeat_of_id, outcome=None, pk__gt=repeat.repeat_after
    )
    ids = list(members.order_by("pk").values_list("pk", flat=True))
    if len(ids) < 2:
        return False
    middle = ids[(len(ids) - 1) // 2]
    second = _copy(repeat, now=now)
    second.repeat_of_id, second.repeat_after = repeat.repeat_of_id, middle
    second.repeat_until = repeat.repeat_until
    second.save(update_fields=["repeat_of", "repeat_after", "repeat_until"])
    Batch.objects.filter(pk=repeat.pk).update(
        repeat_until=middle, lease="", lease_until=None, due_at=now
    )
    repeat.repeat_until, repeat.lease, repeat.lease_until, repeat.due_at = middle, "", None, now
    return True


def _release_second_half(batch: Batch, *, now: datetime) -> None:
    """Release the second half that waits for ``batch``, which has the bad data and is cut in turn.

    The released half is due a little later, so that second halves of later cuts can share its
    request.
    """
    later = now + timedelta(seconds=settings.SYNC.backoff_base)
    Batch.objects.filter(waits_for=batch.pk).update(
        waits_for=None, refused_n=None, sharing=Batch.Sharing.AUDIENCE, due_at=later
    )


def _cut(batch: Batch, size: int, *, now: datetime) -> list[Batch]:
    """Keep the first ``size`` people in the batch, and move all others into new batches.

    Saves what the caller changed in the batch; all pieces are due at once.
    """
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
    sizes = dict(
        Delivery.objects.filter(batch__in=pieces, outcome=None)
        .values_list("batch")
        .annotate(n=Count("pk"))
        .order_by()
    )
    for piece in pieces:
        piece.n = sizes.get(piece.pk, 0)
        piece.lease, piece.lease_until, piece.due_at = "", None, now
    fields = ["n", "lease", "lease_until", "due_at", "attempts", "first_failed_at", "deadline_at"]
    Batch.objects.bulk_update(pieces, [*fields, "last_code"])
    supersede.cancel_superseded(pieces, now=now)
    return pieces


def _copy(batch: Batch, *, now: datetime) -> Batch:
    """Make an empty batch with the same operation, seq and deadline."""
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
        crashes=batch.crashes,
        was_tried=batch.was_tried,
        cancel_requested=batch.cancel_requested,
        moves_to_id=batch.moves_to_id,
        last_code=batch.last_code,
    )
