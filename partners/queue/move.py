"""Move people who wait for an edited step to its new Sync, or discard them.

Whole batches are marked in the transaction that edits the step. From then on no worker sends
them; a batch in flight is decided by its answer first. Each run of the queue goes on with the
marked batches, in transactions of about 10,000 people: a worker may die between any two.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum

from audiencesync.core.beat import wake
from partners.models import Action, Audience, Batch, Delivery, Outcome, Reason, Sync
from partners.models.batch_queries import BatchQuerySet
from partners.queue import compensation, enqueue, outcomes, supersede, tally, transitions

logger = logging.getLogger(__name__)
PEOPLE_PER_TRANSACTION = 10_000
CANDIDATES = 300
"""Batches that are read to choose those of the next transaction."""
TASK = "partners.queue.flush.beat"
Move = tuple[int, int]  # ids of the Sync that people leave, and of the one they enter


def move(syncs: Iterable[Sync], *, to: Sync) -> int:
    """Mark the pending people of ``syncs`` to enter ``to``. Return how many are newly marked.

    Runs inside the caller's transaction.
    """
    return _mark(_pending(syncs).filter(cancel_requested=False), moves_to=to)


def discard(syncs: Iterable[Sync]) -> int:
    """Mark the pending people of ``syncs`` to be cancelled. Return how many are newly marked.

    Runs inside the caller's transaction.
    """
    return _mark(_pending(syncs), moves_to=None, cancel_requested=True)


def _pending(syncs: Iterable[Sync]) -> BatchQuerySet:
    return Batch.objects.pending().filter(sync__in=[sync.pk for sync in syncs], repeat_of=None)


def _mark(pending: BatchQuerySet, **marks: Any) -> int:
    """Set these columns of pending batches, and return how many people that changes."""
    unmarked, n_people = pending.exclude(**marks), 0
    # A worker may cut a batch before it is locked here: the next query finds its pieces.
    while unmarked.exists():
        for chunk in unmarked.chunks():
            locked = Batch.objects.pending().filter(pk__in=chunk.lock_ids())
            n_people += locked.aggregate(n=Sum("n", default=0))["n"]
            locked.update(**marks)
    wake(TASK)
    return n_people


def move_marked(*, now: datetime, seconds: float = math.inf) -> bool:
    """Let people of marked batches enter their new Sync. Return whether time ran out."""
    ends_at, after = time.monotonic() + seconds, 0
    while group := _next_marked(after):
        (_source, to), ids = group
        expected = Q(state=Outcome.PENDING, lease="", moves_to=to, cancel_requested=False)
        try:
            _move_batches(ids, to=to, expected=expected, now=now)
        except (OperationalError, InterfaceError):
            raise  # the database is away or busy: the other batches would fail, too
        except Exception:  # the edge of a loop: these people must not block others
            logger.exception(
                "The people of batches %s could not be moved; the next beat tries again.", ids
            )
            after = ids[-1]
        if time.monotonic() > ends_at:
            return True
    return False


def _next_marked(after: int) -> tuple[Move, list[int]] | None:
    """Return the first move of batches with ids above ``after``, and batches with the same move."""
    marked = Batch.objects.to_move().filter(pk__gt=after).order_by("pk")
    rows = marked.values_list("pk", "sync", "moves_to", "n")[:CANDIDATES]
    # `to_move` has no batch without ``moves_to``: "or 0" is for the types only.
    return _take_same_move((pk, (source, to or 0), n) for pk, source, to, n in rows)


def _take_same_move(batches: Iterable[tuple[int, Move, int]]) -> tuple[Move, list[int]] | None:
    """Return the move of the first batch, and the ids of the first batches that share it.

    A batch is given as (id, move, people). There are as many ids as fit into one transaction.
    """
    first: Move | None = None
    ids: list[int] = []
    n_people = 0
    for pk, move_of_batch, n in batches:
        first = first or move_of_batch
        if move_of_batch != first or (ids and n_people + n > PEOPLE_PER_TRANSACTION):
            break
        ids.append(pk)
        n_people += n
    return (first, ids) if first else None


def retry(
    sync: Sync,
    *,
    to: Sync,
    reason: str | None = None,
    only: Collection[int] | None = None,
    now: datetime,
) -> int:
    """Let the errored people of ``sync`` enter ``to``. Return how many.

    ``reason``: only people with this Reason or partner's code. ``only``: ids of at most about
    10,000 deliveries.
    """
    errored = Batch.objects.filter(sync=sync, state=Outcome.ERRORED, n__gt=0, repeat_of=None)
    # People whom the partner refused by row are errored, while their batch is not.
    single = Delivery.objects.filter(sync=sync, outcome=Outcome.ERRORED).order_by("pk")
    if reason is not None:
        errored, single = errored.filter(last_code=reason), single.filter(reason=reason)
    if only is not None:
        ids = _split_off(errored, only)
        errored, single = errored.filter(pk__in=ids), single.filter(pk__in=only)
    n = 0
    expected = Q(state=Outcome.ERRORED)
    while group := _take_same_move(
        (pk, (sync.pk, to.pk), size) for pk, size in errored.values_list("pk", "n")[:CANDIDATES]
    ):
        _move, ids = group
        n += _move_batches(ids, to=to.pk, expected=expected, out_of=Outcome.ERRORED, now=now)
    while ids := list(single.values_list("pk", flat=True)[:PEOPLE_PER_TRANSACTION]):
        n += _move_deliveries(ids, to=to.pk, now=now)
    wake(TASK)
    return n


def _split_off(batches: BatchQuerySet, only: Collection[int]) -> list[int]:
    """Put the deliveries ``only`` into batches without other people. Return the ids of these."""
    members = Delivery.objects.filter(pk__in=only, outcome=None)
    batch_ids = []
    with transaction.atomic():
        concerned = batches.filter(pk__in=members.values("batch"))
        for batch in list(concerned.for_update()):
            n = members.filter(batch=batch).count()
            if not n:  # another retry moved them away while this one waited for the lock
                continue
            if n < batch.n:
                original_id, batch.n = batch.pk, n
                batch.pk, batch._state.adding = None, True  # saves a copy
                batch.save()
                members.filter(batch=original_id).update(batch=batch)
                Batch.objects.filter(pk=original_id).update(n=F("n") - n)
            batch_ids.append(batch.pk)
    return batch_ids


def _move_batches(
    ids: Sequence[int], *, to: int, expected: Q, out_of: Outcome = Outcome.PENDING, now: datetime
) -> int:
    """Let the people of these batches enter ``to``, in one transaction. Return how many.

    Their old deliveries count as cancelled and moved. ``expected``: a condition on the state of the
    batches; batches that do not meet it are left alone.
    """
    with tally.atomic(now=now) as changes:
        target, seq = _lock_target(to, Q(pk__in=ids))
        rows = Batch.objects.filter(expected, pk__in=ids).order_by("pk")
        oldest = rows.values_list("created_at", flat=True).order_by("created_at").first()
        if oldest is None:
            return 0
        batch_ids = list(rows.values_list("pk", flat=True))
        n = sum(rows.values_list("n", flat=True))
        members = Delivery.objects.filter(batch__in=batch_ids, outcome=None)
        unwanted = Q(supersede.reverted_q())
        if _has_opposite_since(target, oldest):
            unwanted |= Q(_superseded_q(target))
        outcomes.cancel(members.filter(unwanted), Reason.SUPERSEDED, out_of=out_of, now=now)
        batches = list(rows)  # read after the cancellations, which have changed their n
        transitions.finish(
            batches, Outcome.CANCELLED, out_of=out_of, code=Reason.MOVED.value, now=now
        )
        # Adds that may have arrived are taken back, now or after a late worker has sent them.
        Batch.objects.filter(pk__in=batch_ids).update(cancel_requested=True)
        for batch in batches:
            changes.add(batch.sync_id, moved=batch.n)
        compensation.take_back([batch for batch in batches if batch.attempts], now=now)
        was_tried = not all(batch.is_first_try for batch in batches)
        _enqueue(target, members, seq=seq, oldest=oldest, was_tried=was_tried, now=now)
    return n


def _move_deliveries(ids: Sequence[int], *, to: int, now: datetime) -> int:
    """Let errored people enter ``to`` whose batches are not errored. Return how many.

    All people move in one transaction.
    """
    with tally.atomic(now=now) as changes:
        rows = Delivery.objects.filter(pk__in=ids)
        target, seq = _lock_target(to, Q(pk__in=set(rows.values_list("batch", flat=True))))
        errored = rows.filter(outcome=Outcome.ERRORED)
        id_and_sync = list(errored.order_by("pk").values_list("pk", "sync"))
        created = errored.order_by("batch__created_at").values_list("batch__created_at", flat=True)
        oldest = created.first()
        unwanted = _superseded_q(target) | supersede.reverted_q()
        superseded_ids = set(errored.filter(unwanted).values_list("pk", flat=True))
        moved_ids = [pk for pk, _sync_id in id_and_sync if pk not in superseded_ids]
        rows.filter(pk__in=superseded_ids).update(
            outcome=Outcome.CANCELLED, reason=Reason.SUPERSEDED
        )
        rows.filter(pk__in=moved_ids).update(outcome=Outcome.CANCELLED, reason=Reason.MOVED)
        for pk, sync_id in id_and_sync:
            changes.shift(sync_id, 1, out_of="errored", to="cancelled")
            changes.add(sync_id, moved=int(pk not in superseded_ids))
        if moved_ids:
            moved = Delivery.objects.filter(pk__in=moved_ids)
            _enqueue(target, moved, seq=seq, oldest=oldest or now, was_tried=True, now=now)
    return len(id_and_sync)


def _lock_target(to: int, batches: Q) -> tuple[Sync, int]:
    """Lock the audience of ``to``, then these batches and those that may be superseded there.

    The locks are always taken in this order, so that no two transactions deadlock. Return the Sync
    and the seq of its audience.
    """
    target = Sync.objects.select_related("app_group", "audience__ad_account__connection").get(pk=to)
    row = Audience.objects.select_for_update(no_key=True).filter(pk=target.audience_id)
    seq: int = row.values_list("seq", flat=True).get()
    opposite = Action(target.action).opposite
    waiting = Q(audience=target.audience_id, action=opposite, state=Outcome.PENDING, lease="")
    Batch.objects.filter(batches | waiting).lock_ids()
    return target, seq


def _has_opposite_since(target: Sync, since: datetime) -> bool:
    """Return whether ``_superseded_q`` may match at all, by a cheaper query."""
    opposite = Action(target.action).opposite
    return Batch.objects.filter(
        audience=target.audience_id, action=opposite, created_at__gt=since
    ).exists()


def _superseded_q(target: Sync) -> Exists:
    """Match deliveries that an operation opposite to ``target`` superseded while they waited.

    Operations are compared by time, because the old batches may be of another audience, which has
    another order (seq).
    """
    return Exists(
        supersede.opposite_deliveries(target).filter(
            batch__created_at__gt=OuterRef("batch__created_at")
        )
    )


def _enqueue(
    target: Sync,
    people: QuerySet[Delivery],
    *,
    seq: int,
    oldest: datetime,
    was_tried: bool,
    now: datetime,
) -> None:
    """Let people enter ``target``; ``seq`` is the last one before their new batches.

    The new batches get ``oldest`` as their creation time: it shows how long people wait, and tells
    which operations are later if they move again.
    """
    enqueue.enqueue(target, people.values_list("entry_key", "profile_id"), now=now)
    new_batches = Batch.objects.filter(
        audience=target.audience_id, action=target.action, seq__gt=seq, sync=target
    )
    new_batches.update(created_at=oldest, due_at=now, was_tried=was_tried)
