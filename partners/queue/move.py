"""Move people who wait for an edited step to its new Sync, or discard them.

Whole batches are marked in the transaction that edits the step. From then on no worker sends
them; a batch in flight is decided by its answer first. Each beat goes on with the marked batches,
in transactions of some ten thousand people: a worker may die between any two.
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
PEOPLE = 10_000
CANDIDATES = 300
TASK = "partners.queue.flush.beat"
Move = tuple[int, int]  # ids of the Sync that people leave, and of the one they enter


def move(syncs: Iterable[Sync], *, to: Sync) -> int:
    """Mark the pending people of ``syncs`` to enter ``to``. Return how many were not marked so.

    Inside the caller's transaction.
    """
    return _mark(_pending(syncs).filter(cancel_requested=False), moves_to=to)


def discard(syncs: Iterable[Sync]) -> int:
    """Mark the pending people of ``syncs`` to be cancelled. Return how many were not marked so.

    Inside the caller's transaction.
    """
    return _mark(_pending(syncs), moves_to=None, cancel_requested=True)


def _pending(syncs: Iterable[Sync]) -> BatchQuerySet:
    return Batch.objects.pending().filter(sync__in=[sync.pk for sync in syncs], repeat_of=None)


def _mark(pending: BatchQuerySet, **marks: Any) -> int:
    unmarked, people = pending.exclude(**marks), 0
    # A worker may cut a batch meanwhile: another look finds the pieces. All batches that were
    # seen before are locked by then.
    while unmarked.exists():
        for some in unmarked.chunks():
            held = Batch.objects.pending().filter(pk__in=some.lock())
            people += held.aggregate(n=Sum("n", default=0))["n"]
            held.update(**marks)
    wake(TASK)
    return people


def move_marked(*, now: datetime, seconds: float = math.inf) -> bool:
    """Let people of marked batches enter their new Sync. Return whether the time ended it."""
    ends_at, after = time.monotonic() + seconds, 0
    while found := _next(after):
        (_, to), ids = found
        still = Q(state=Outcome.PENDING, lease="", moves_to=to, cancel_requested=False)
        try:
            _enter(ids, to=to, still=still, now=now)
        except (OperationalError, InterfaceError):
            raise  # the database is away or busy: no other batch would fare better
        except Exception:  # the edge of a loop: these people must not block others
            logger.exception(
                "The people of batches %s could not be moved; the next beat tries again.", ids
            )
            after = ids[-1]
        if time.monotonic() > ends_at:
            return True
    return False


def _next(after: int) -> tuple[Move, list[int]] | None:
    """Return some batches that move alike, together some ten thousand people."""
    marked = Batch.objects.to_move().filter(pk__gt=after).order_by("pk")
    rows = marked.values_list("pk", "sync", "moves_to", "n")[:CANDIDATES]
    return _together((pk, (source, to or 0), n) for pk, source, to, n in rows)


def _together(rows: Iterable[tuple[int, Move, int]]) -> tuple[Move, list[int]] | None:
    first: Move | None = None
    ids: list[int] = []
    people = 0
    for pk, key, n in rows:
        first = first or key
        if key != first or (ids and people + n > PEOPLE):
            break
        ids.append(pk)
        people += n
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

    ``reason``: only those of this reason or code. ``only``: ids of at most some ten thousand
    deliveries.
    """
    errored = Batch.objects.filter(sync=sync, state=Outcome.ERRORED, n__gt=0, repeat_of=None)
    # People whom the partner refused by row: they are errored, and their batch is not.
    alone = Delivery.objects.filter(sync=sync, outcome=Outcome.ERRORED).order_by("pk")
    if reason is not None:
        errored, alone = errored.filter(last_code=reason), alone.filter(reason=reason)
    if only is not None:
        ids = _cut_out(errored, only)
        errored, alone = errored.filter(pk__in=ids), alone.filter(pk__in=only)
    n = 0
    while found := _together(
        (pk, (sync.pk, to.pk), size) for pk, size in errored.values_list("pk", "n")[:CANDIDATES]
    ):
        n += _enter(
            found[1], to=to.pk, still=Q(state=Outcome.ERRORED), out_of=Outcome.ERRORED, now=now
        )
    while ids := list(alone.values_list("pk", flat=True)[:PEOPLE]):
        n += _enter_alone(ids, to=to.pk, now=now)
    wake(TASK)
    return n


def _cut_out(batches: BatchQuerySet, only: Collection[int]) -> list[int]:
    """Give these deliveries of errored batches batches of their own; return these."""
    members = Delivery.objects.filter(pk__in=only, outcome=None)
    found = []
    with transaction.atomic():
        mine = batches.filter(pk__in=members.values("batch"))
        for batch in list(mine.locked()):
            n = members.filter(batch=batch).count()
            if not n:  # another retry took them out while this one waited for the lock
                continue
            if n < batch.n:
                whole, batch.n = batch.pk, n
                batch.pk, batch._state.adding = None, True
                batch.save()
                members.filter(batch=whole).update(batch=batch)
                Batch.objects.filter(pk=whole).update(n=F("n") - n)
            found.append(batch.pk)
    return found


def _enter(
    ids: Sequence[int], *, to: int, still: Q, out_of: Outcome = Outcome.PENDING, now: datetime
) -> int:
    """Let the people of these batches enter ``to``, in one transaction. Return how many.

    They count as cancelled and moved where they were.
    """
    with tally.gathered(now=now) as moves:
        target, seq = _hold(to, Q(pk__in=ids))
        going = Batch.objects.filter(still, pk__in=ids).order_by("pk")
        oldest = going.values_list("created_at", flat=True).order_by("created_at").first()
        if oldest is None:
            return 0
        held = list(going.values_list("pk", flat=True))
        n = sum(going.values_list("n", flat=True))
        members = Delivery.objects.filter(batch__in=held, outcome=None)
        over = Q(supersede.reverted())
        if _has_later(target, oldest):
            over |= Q(_later(target))
        outcomes.cancel(members.filter(over), Reason.SUPERSEDED, out_of=out_of, now=now)
        batches = list(going)
        transitions.finish(
            batches, Outcome.CANCELLED, out_of=out_of, code=Reason.MOVED.value, now=now
        )
        # Adds that may have arrived are taken back, now or after a late worker has sent them.
        Batch.objects.filter(pk__in=held).update(cancel_requested=True)
        for batch in batches:
            moves.add(batch.sync_id, moved=batch.n)
        compensation.take_back([batch for batch in batches if batch.attempts], now=now)
        was_tried = not all(batch.is_first_try for batch in batches)
        _let_in(target, members, seq=seq, oldest=oldest, was_tried=was_tried, now=now)
    return n


def _enter_alone(ids: Sequence[int], *, to: int, now: datetime) -> int:
    """Do the same for single deliveries that are errored although their batch is not."""
    with tally.gathered(now=now) as moves:
        rows = Delivery.objects.filter(pk__in=ids)
        target, seq = _hold(to, Q(pk__in=set(rows.values_list("batch", flat=True))))
        chosen = rows.filter(outcome=Outcome.ERRORED)
        found = list(chosen.order_by("pk").values_list("pk", "sync"))
        oldest = (
            chosen.order_by("batch__created_at").values_list("batch__created_at", flat=True).first()
        )
        over = _later(target) | supersede.reverted()
        superseded = set(chosen.filter(over).values_list("pk", flat=True))
        going = [pk for pk, _sync in found if pk not in superseded]
        rows.filter(pk__in=superseded).update(outcome=Outcome.CANCELLED, reason=Reason.SUPERSEDED)
        rows.filter(pk__in=going).update(outcome=Outcome.CANCELLED, reason=Reason.MOVED)
        for pk, sync_id in found:
            moves.shift(sync_id, 1, out_of="errored", to="cancelled")
            moves.add(sync_id, moved=int(pk not in superseded))
        if going:
            people = Delivery.objects.filter(pk__in=going)
            _let_in(target, people, seq=seq, oldest=oldest or now, was_tried=True, now=now)
    return len(found)


def _hold(to: int, batches: Q) -> tuple[Sync, int]:
    """Lock the audience of ``to``, then these batches and those that may be superseded there.

    Always in this order. Return the Sync and the seq of its audience.
    """
    target = Sync.objects.select_related("app_group", "audience__ad_account__connection").get(pk=to)
    row = Audience.objects.select_for_update(no_key=True).filter(pk=target.audience_id)
    seq: int = row.values_list("seq", flat=True).get()
    opposite = Action(target.action).opposite
    waiting = Q(audience=target.audience_id, action=opposite, state=Outcome.PENDING, lease="")
    Batch.objects.filter(batches | waiting).lock()
    return target, seq


def _has_later(target: Sync, since: datetime) -> bool:
    opposite = Action(target.action).opposite
    return Batch.objects.filter(
        audience=target.audience_id, action=opposite, created_at__gt=since
    ).exists()


def _later(target: Sync) -> Exists:
    """Match deliveries that an operation opposite to ``target`` superseded while they waited."""
    return Exists(
        supersede.opposite_of(target).filter(batch__created_at__gt=OuterRef("batch__created_at"))
    )


def _let_in(
    target: Sync,
    people: QuerySet[Delivery],
    *,
    seq: int,
    oldest: datetime,
    was_tried: bool,
    now: datetime,
) -> None:
    """Enqueue people into ``target``. Their new batches keep the age of the oldest one.

    The age shows how long they wait, and tells which operations are later if they move again.
    """
    enqueue.enqueue(target, people.values_list("entry_key", "profile_id"), now=now)
    fresh = Batch.objects.filter(
        audience=target.audience_id, action=target.action, seq__gt=seq, sync=target
    )
    fresh.update(created_at=oldest, due_at=now, was_tried=was_tried)
