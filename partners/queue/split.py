"""Cuts batches into pieces: to a learned cap, or in half again and again until a poisonous person stands alone."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Q

from partners.models import AdAccount, Batch, Delivery, Outcome
from partners.queue import last_wish


def learn_cap(ad_account: AdAccount, people: int) -> None:
    """Remember that a request to this ad account may carry at most ``people``; a cap only ever falls."""
    larger = Q(learned_cap=None) | Q(learned_cap__gt=people)
    AdAccount.objects.filter(larger, pk=ad_account.pk).update(learned_cap=max(1, people))


def split_to_cap(batch: Batch, cap: int, *, now: datetime) -> None:
    """Cut a batch into pieces of at most ``cap`` people, all of them due at once. Inside the caller's transaction."""
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
    """Halve a batch that was refused as a whole (or killed its workers), inside the caller's transaction.

    The first half is tried alone. Refused: it is halved in turn, and the second half may travel. Taken: the poison is
    in the second half, which is halved without a try (``sibling_ended``). So one poisonous person costs about
    log2(n) requests. ``refused_n``: how many people were refused together, where it may have been their number.
    """
    halves = _cut(batch, -(-batch.n // 2), now=now)
    for half in halves:
        half.sharing = Batch.Sharing.ALONE
        half.refusals, half.crashes, half.refused_n = refusals, crashes, None
    if len(halves) > 1:
        halves[1].waits_for, halves[1].refused_n = halves[0], refused_n
    Batch.objects.bulk_update(halves, ["sharing", "refusals", "crashes", "refused_n", "waits_for"])


def sibling_ended(batches: Sequence[Batch], state: Outcome, *, now: datetime) -> None:
    """Second halves that waited for these batches go on: halved if the first half was taken, else tried themselves."""
    held = Batch.objects.select_for_update().filter(waits_for__in=[batch.pk for batch in batches])
    for half in held.filter(state=Outcome.PENDING).order_by("pk"):
        if state != Outcome.SYNCED or _has_changed(half):
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


def _has_changed(half: Batch) -> bool:
    """Whether the poison may have left a half or its first half: somebody in them was dropped meanwhile."""
    both = [half.pk, half.waits_for_id]
    return Delivery.objects.filter(batch__in=both).exclude(outcome=None).exists()


def _learn_from_contradiction(batch: Batch) -> None:
    """The poison had to be in ``batch``, and it was taken: so it was not about anybody, perhaps about how many they were.

    If that happens to two pieces of a wish, both halves have failed and smaller pieces pass: the cap is learned.
    """
    if batch.refused_n is None:
        return
    alike = Batch.objects.filter(
        audience=batch.audience_id, action=batch.action, seq=batch.seq, state=Outcome.SYNCED
    )
    sizes = [n for n in alike.exclude(refused_n=None).values_list("refused_n", flat=True)[:2] if n]
    if len(sizes) > 1:
        learn_cap(batch.ad_account, -(-min(sizes) // 2))


def cut_repeat(repeat: Batch, *, now: datetime) -> bool:
    """Halve a repeat, whose people are those of another batch, inside the caller's transaction. False: it is too small."""
    until = Q() if repeat.repeat_until is None else Q(pk__lte=repeat.repeat_until)
    members = Delivery.objects.filter(
        until, batch=repeat.repeat_of_id, outcome=None, pk__gt=repeat.repeat_after
    )
    ids = list(members.order_by("pk").values_list("pk", flat=True))
    if len(ids) < 2:
        return False
    middle = ids[(len(ids) - 1) // 2]
    second = _copy(repeat, now=now)
    second.repeat_of_id, second.repeat_after, second.repeat_until = (
        repeat.repeat_of_id,
        middle,
        repeat.repeat_until,
    )
    second.save(update_fields=["repeat_of", "repeat_after", "repeat_until"])
    Batch.objects.filter(pk=repeat.pk).update(
        repeat_until=middle, lease="", lease_until=None, due_at=now
    )
    repeat.repeat_until, repeat.lease, repeat.lease_until, repeat.due_at = middle, "", None, now
    return True


def _release_second_half(batch: Batch, *, now: datetime) -> None:
    """The first half was refused as well: nothing is known about the second. It goes a little later, so that the
    second halves of the levels to come may travel with it."""
    later = now + timedelta(seconds=settings.SYNC["backoff_base"])
    Batch.objects.filter(waits_for=batch.pk).update(
        waits_for=None, refused_n=None, sharing=Batch.Sharing.AUDIENCE, due_at=later
    )


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
        Delivery.objects.filter(batch__in=pieces, outcome=None)
        .values_list("batch")
        .annotate(n=Count("pk"))
        .order_by()
    )
    for piece in pieces:
        piece.n = counted.get(piece.pk, 0)
        piece.lease, piece.lease_until, piece.due_at = "", None, now
    Batch.objects.bulk_update(
        pieces,
        [
            "n",
            "lease",
            "lease_until",
            "due_at",
            "attempts",
            "first_failed_at",
            "deadline_at",
            "last_code",
        ],
    )
    last_wish.release(pieces, now=now)
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
        crashes=batch.crashes,
        cancel_requested=batch.cancel_requested,
        moves_to_id=batch.moves_to_id,
        last_code=batch.last_code,
    )
