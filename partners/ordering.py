"""The last wish wins: what a person was to get before, and has not got yet, is cancelled by the opposite wish."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, F, Min, OuterRef, Q, QuerySet

from partners import tally
from partners.models import Action, Batch, Delivery, Outcome, Reason, Sync


def supersede(sync: Sync, entered: Iterable[Batch], *, now: datetime) -> None:
    """Cancel unsent deliveries to the same audience with the opposite action, of the people in these new batches: who
    had entered before, or cannot be sent, wishes nothing that is new.

    What is leased is under way and waited for (``blocked``); it is looked at again when its lease ends (``release``).
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
            Delivery.objects.filter(batch__in=waiting, outcome=None, profile__in=profiles), Reason.SUPERSEDED, now=now
        )


def release(batches: Iterable[Batch], *, now: datetime) -> None:
    """Before batches that were under way are tried again: drop who has meanwhile got a newer, opposite wish."""
    for batch in overtaken(batches):
        opposite = Action(batch.action).opposite
        newer = Batch.objects.filter(audience=batch.audience_id, action=opposite, seq__gt=batch.seq)
        later = Delivery.objects.filter(profile=OuterRef("profile"), batch__in=newer)
        cancel(Delivery.objects.filter(Exists(later), batch=batch, outcome=None), Reason.SUPERSEDED, now=now)


def overtaken(batches: Iterable[Batch]) -> list[Batch]:
    """Those whose audience was asked the opposite, of whomever, later on."""
    wanted = [(batch, Action(batch.action).opposite) for batch in batches]
    newest = {pair: _newest(*pair) for pair in {(batch.audience_id, opposite) for batch, opposite in wanted}}
    return [batch for batch, opposite in wanted if newest[batch.audience_id, opposite] > batch.seq]


def _newest(audience_id: int, action: Action) -> int:
    """The place in the order of an audience's newest wish of this kind: one look into the index, however many there were."""
    seqs = Batch.objects.filter(audience=audience_id, action=action).order_by("-seq").values_list("seq", flat=True)
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
        was_late = Q(deliveries__profile__in=late_ones)  # or whom somebody late has turned out to be since
        was_late |= Q(deliveries__profile__in=late_ones.values("profile__merged_into"))
        for lost in later.filter(was_late).distinct():
            repeats.append(_repeat(lost, action=lost.action, now=now))
    with transaction.atomic():
        Batch.objects.bulk_create(sorted(repeats, key=_repeated))
        return len(repeats) + undo(_discarded_of(late), now=now)


def _discarded_of(late: Iterable[Batch]) -> Iterator[Batch]:
    """What has ended of these batches or of their pieces, and was discarded."""
    ended = Batch.objects.filter(cancel_requested=True, repeat_of=None).exclude(state=Outcome.PENDING)
    for batch in late:
        if batch.repeat_of_id is None:
            yield from ended.filter(sync=batch.sync_id, seq=batch.seq)


def _people_of(batch: Batch) -> "QuerySet[Delivery, Any]":
    """Who was in a batch when it was built, and perhaps others of its Sync. It may have been cut since, its pieces keep its
    place in the order; whoever was errored and tried again, has a later one."""
    if batch.repeat_of_id:
        return Delivery.objects.filter(batch=batch.repeat_of_id).values("profile")
    return Delivery.objects.filter(batch__sync=batch.sync_id, batch__seq__gte=batch.seq).values("profile")


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
    later = Delivery.objects.filter(
        profile=OuterRef("profile"),
        batch__audience=sync.audience_id,
        batch__action=Action(sync.action).opposite,
        batch__seq__gt=OuterRef("batch__seq"),
    )
    return list(Delivery.objects.filter(Exists(later), pk__in=deliveries).values_list("pk", flat=True))


def drop(deliveries: list[int], *, now: datetime) -> None:
    """Cancel these pending deliveries as superseded."""
    cancel(Delivery.objects.filter(pk__in=deliveries, outcome=None), Reason.SUPERSEDED, now=now)


def blocked(candidates: Iterable[Batch]) -> set[int]:
    """The candidates that must wait: an older batch of the same audience with the opposite action is under way.

    A repeat has no people of its own who could be superseded: it is waited for from the start.
    """
    wanted = list(candidates)
    under_way = list(
        Batch.objects.filter(audience__in={batch.audience_id for batch in wanted}, state=Outcome.PENDING)
        .filter(~Q(lease="") | Q(repeat_of__isnull=False))
        .values_list("audience", "action")
        .annotate(oldest=Min("seq"))
        .order_by()
    )
    oldest = {(audience, action): seq for audience, action, seq in under_way}
    return {
        batch.pk
        for batch in wanted
        if oldest.get((batch.audience_id, Action(batch.action).opposite.value), batch.seq) < batch.seq
    }


def cancel(deliveries: "QuerySet[Delivery]", reason: Reason, *, now: datetime) -> None:
    """Give these pending people the outcome cancelled: row, batch and tally in one go.

    Their batches are locked before they are counted, and before the deliveries: whoever cancels the same people
    meanwhile is waited for, and nobody is subtracted twice.
    """
    theirs = list(deliveries.filter(~Q(batch=None)).order_by().values_list("batch", flat=True).distinct())
    if not theirs:
        return
    list(Batch.objects.select_for_update().filter(pk__in=theirs).order_by("pk").values_list("pk", flat=True))
    deliveries = deliveries.filter(batch__in=theirs)
    groups = sorted(deliveries.order_by().values_list("batch", "sync").annotate(n=Count("pk")))
    deliveries.update(outcome=Outcome.CANCELLED, reason=reason)
    with tally.gathered(now=now) as moves:
        for batch_id, sync_id, n in groups:
            Batch.objects.filter(pk=batch_id).update(n=F("n") - n)
            moves.shift(sync_id, n, to="cancelled")
