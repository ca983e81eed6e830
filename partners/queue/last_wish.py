"""The last wish wins: what a person was to get before, and has not got yet, is cancelled by the opposite wish."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    Exists,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)

from partners.models import Action, Batch, Delivery, Outcome, Reason, Sync
from partners.queue import tally

NO_END = 2**63 - 1
VOID = (Outcome.CANCELLED, Outcome.NOT_SYNCED)
"""Outcomes of wishes that came to nothing: they overtake nobody."""


def supersede(sync: Sync, entered: Iterable[Batch], *, now: datetime) -> None:
    """Cancel unsent deliveries to the same audience with the opposite action, of the people in these new batches: who
    had entered before, or cannot be sent, wishes nothing that is new.

    What is leased is under way and waited for (``barrier``); it is looked at again when its lease ends (``release``).
    """
    opposite = Action(sync.action).opposite
    waiting = list(
        Batch.objects.select_for_update()
        .filter(audience=sync.audience_id, action=opposite, state=Outcome.PENDING, lease="")
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    ids = [batch.pk for batch in entered]
    if waiting and ids:
        profiles = Delivery.objects.filter(batch__in=ids).values("profile")
        cancel(
            Delivery.objects.filter(batch__in=waiting, outcome=None, profile__in=profiles),
            Reason.SUPERSEDED,
            now=now,
        )


def release(batches: Iterable[Batch], *, now: datetime) -> None:
    """Before batches that were under way are tried again: drop who has meanwhile got a newer, opposite wish."""
    for batch in overtaken(batches):
        later = opposite_of(batch).filter(batch__seq__gt=batch.seq)
        cancel(
            Delivery.objects.filter(Exists(later), batch=batch, outcome=None),
            Reason.SUPERSEDED,
            now=now,
        )


def opposite_of(wish: Batch | Sync) -> "QuerySet[Delivery]":
    """Of the person of an outer delivery: the opposite wishes to the same audience that were not taken back."""
    opposite = Delivery.objects.filter(
        profile=OuterRef("profile"),
        batch__audience=wish.audience_id,
        batch__action=Action(wish.action).opposite,
    )
    return opposite.exclude(outcome__in=VOID).exclude(batch__state=Outcome.CANCELLED)


def overtaken(batches: Iterable[Batch]) -> list[Batch]:
    """Those whose audience was asked the opposite, of whomever, later on."""
    wanted = [(batch, Action(batch.action).opposite) for batch in batches]
    newest = {
        pair: _newest(*pair)
        for pair in {(batch.audience_id, opposite) for batch, opposite in wanted}
    }
    return [batch for batch, opposite in wanted if newest[batch.audience_id, opposite] > batch.seq]


def _newest(audience_id: int, action: Action) -> int:
    """The place in the order of an audience's newest wish of this kind: one look into the index, however many there were."""
    seqs = (
        Batch.objects.filter(audience=audience_id, action=action)
        .order_by("-seq")
        .values_list("seq", flat=True)
    )
    return seqs.first() or 0


def repair(sent: Iterable[Batch], *, now: datetime) -> int:
    """A worker that had lost its lease sent these batches late: repeat, uncounted, the later opposite operations.

    Only what may have reached the partner before the late call is repeated; the rest is sent after it anyway.
    Answers how many batches are repeated.
    """
    repeats = []
    late = list(sent)
    for batch in late:
        later = Batch.objects.filter(
            Q(state=Outcome.SYNCED) | ~Q(lease=""),
            audience=batch.audience_id,
            action=Action(batch.action).opposite,
            seq__gt=batch.seq,
            repeat_of=None,
        )
        late_ones = _people_of(batch)
        was_late = Q(
            deliveries__profile__in=late_ones
        )  # or whom somebody late has turned out to be since
        was_late |= Q(deliveries__profile__in=late_ones.values("profile__merged_into"))
        was_late |= Q(
            deliveries__profile__merged_into__in=late_ones
        )  # whose misread address is taken out
        for lost in later.filter(was_late).distinct():
            repeats.append(_repeat(lost, action=lost.action, now=now))
    with transaction.atomic():
        Batch.objects.bulk_create(sorted(repeats, key=_repeated))
        return len(repeats) + undo(_discarded_of(late), now=now)


def _discarded_of(late: Iterable[Batch]) -> Iterator[Batch]:
    """What has ended of these batches or of their pieces, and was discarded."""
    ended = Batch.objects.filter(cancel_requested=True, repeat_of=None).exclude(
        state=Outcome.PENDING
    )
    for batch in late:
        if batch.repeat_of_id is None:
            yield from ended.filter(sync=batch.sync_id, seq=batch.seq)


def _people_of(batch: Batch) -> "QuerySet[Delivery, Any]":
    """Who was in a batch when it was built, and perhaps others of its Sync. It may have been cut since, its pieces keep its
    place in the order; whoever was errored and tried again, has a later one."""
    if batch.repeat_of_id:
        return Delivery.objects.filter(batch=batch.repeat_of_id).values("profile")
    return Delivery.objects.filter(batch__sync=batch.sync_id, batch__seq__gte=batch.seq).values(
        "profile"
    )


def undo(discarded: Iterable[Batch], *, now: datetime) -> int:
    """Take back, uncounted, adds that were discarded while they were under way and have, or may have, arrived.

    Whoever another wish wants in the audience stays. Answers how many batches are taken back.
    """
    adds = [batch for batch in discarded if batch.action == Action.ADD and batch.n]
    repeats = [_repeat(batch, action=Action.REMOVE, now=now) for batch in adds]
    Batch.objects.bulk_create(sorted(repeats, key=_repeated))
    return len(adds)


def _repeated(repeat: Batch) -> int:
    """What repeats are made in the order of: a reference locks the row it refers to, as whoever holds batches does."""
    return repeat.repeat_of_id or 0


def _repeat(batch: Batch, *, action: str, now: datetime) -> Batch:
    return Batch(
        sync_id=batch.sync_id,
        audience_id=batch.audience_id,
        ad_account_id=batch.ad_account_id,
        action=action,
        kinds=batch.kinds,
        seq=batch.seq,
        sharing=Batch.Sharing.ALONE,
        repeat_of=batch,
        created_at=now,
        due_at=now,
    )


def with_later_wish(sync: Sync, deliveries: list[int]) -> list[int]:
    """Those of the deliveries whose person was asked the opposite of the same audience later on."""
    later = opposite_of(sync).filter(batch__seq__gt=OuterRef("batch__seq"))
    return list(
        Delivery.objects.filter(Exists(later), pk__in=deliveries).values_list("pk", flat=True)
    )


def drop(deliveries: list[int], *, now: datetime) -> None:
    """Cancel these pending deliveries as superseded."""
    cancel(Delivery.objects.filter(pk__in=deliveries, outcome=None), Reason.SUPERSEDED, now=now)


def under_way(lane: str) -> dict[tuple[int, str], int]:
    """Audience and action -> the place in the order of the oldest batch of a lane that is under way.

    A repeat has no people of its own who could be superseded: it is waited for from the start.
    """
    pending = Batch.objects.filter(ad_account__remote_id=lane, state=Outcome.PENDING)
    busy = pending.filter(~Q(lease="") | Q(repeat_of__isnull=False)).values_list(
        "audience", "action"
    )
    return {
        (audience, action): seq
        for audience, action, seq in busy.annotate(oldest=Min("seq")).order_by()
    }


def barrier(oldest: dict[tuple[int, str], int]) -> Case:
    """The place in the order from which on a batch must wait, because the opposite of the same audience is ``under_way``."""
    bars = [
        When(audience=key, action=Action(action).opposite, then=Value(seq))
        for (key, action), seq in oldest.items()
    ]
    return Case(*bars, default=Value(NO_END), output_field=BigIntegerField())


def cancel(
    deliveries: "QuerySet[Delivery]",
    reason: Reason,
    *,
    now: datetime,
    out_of: Outcome = Outcome.PENDING,
) -> None:
    """Give these people of pending batches (or of such as have ended ``out_of``) the outcome cancelled: row, batch and
    tally in one go.

    Their batches are locked before they are counted, and before the deliveries: whoever cancels the same people
    meanwhile is waited for, and nobody is subtracted twice.
    """
    theirs = list(
        deliveries.filter(~Q(batch=None)).order_by().values_list("batch", flat=True).distinct()
    )
    if not theirs:
        return
    list(
        Batch.objects.select_for_update()
        .filter(pk__in=theirs)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    deliveries = deliveries.filter(batch__in=theirs)
    groups = sorted(deliveries.order_by().values_list("batch", "sync").annotate(n=Count("pk")))
    deliveries.update(outcome=Outcome.CANCELLED, reason=reason)
    with tally.gathered(now=now) as moves:
        for batch_id, sync_id, n in groups:
            Batch.objects.filter(pk=batch_id).update(n=F("n") - n)
            moves.shift(sync_id, n, to="cancelled", out_of=out_of.value)
