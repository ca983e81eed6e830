"""People who wait for what a step asked before it was changed: they enter what it asks now, or are discarded.

Whole batches are marked in the transaction that changes the step. From then on nothing sends them again; what a worker
holds is decided by its answer first. The marks are the intent: each beat goes on until there is none left, in
transactions of some ten thousand people, so a worker may die between any two.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from audiencesync.core import beat as clock
from partners.models import Action, Audience, Batch, Delivery, Outcome, Reason, Sync
from partners.queue import collect, enqueue, last_wish, settle, tally

logger = logging.getLogger(__name__)
PEOPLE = 10_000
CANDIDATES = 300
TASK = "partners.queue.flush.beat"
Key = tuple[int, int]


def move(syncs: Iterable[Sync], *, to: Sync) -> int:
    """Mark all who wait for ``syncs``, inside the caller's transaction: they are to enter ``to``. Answers how many."""
    return _mark(_waiting(syncs).filter(cancel_requested=False), moves_to=to)


def discard(syncs: Iterable[Sync]) -> int:
    """Mark all who wait for ``syncs``, inside the caller's transaction: they are not to be sent. Answers how many."""
    return _mark(_waiting(syncs), moves_to=None, cancel_requested=True)


def _waiting(syncs: Iterable[Sync]) -> QuerySet[Batch]:
    return Batch.objects.filter(
        sync__in=[one.pk for one in syncs], state=Outcome.PENDING, repeat_of=None
    )


def _mark(waiting: QuerySet[Batch], **marks: Any) -> int:
    """What a worker cuts meanwhile is found by another look: what was seen before is locked by then."""
    unmarked = waiting.exclude(**marks)
    while unmarked.exists():
        for some in collect.stretches(unmarked):
            Batch.objects.filter(pk__in=collect.in_order(some), state=Outcome.PENDING).update(
                **marks
            )
    clock.wake(TASK)
    return waiting.filter(**marks).aggregate(people=Sum("n"))["people"] or 0


def go_on(*, now: datetime, seconds: float = math.inf) -> bool:
    """Let people who are marked enter where they are to go; whether the time ended it."""
    ends_at, after = time.monotonic() + seconds, 0
    while found := _next(after):
        (_, to), ids = found
        try:
            _enter(
                ids,
                to=to,
                still=Q(state=Outcome.PENDING, lease="", moves_to=to, cancel_requested=False),
                now=now,
            )
        except (
            OperationalError,
            InterfaceError,
        ):  # the database is away or busy: no other batch would fare better
            raise
        except Exception:  # the edge of a loop: what hinders these people must not hinder others
            logger.exception(
                "The people of batches %s could not be moved; the next beat tries again.", ids
            )
            after = ids[-1]
        if time.monotonic() > ends_at:
            return True
    return False


def _next(after: int) -> tuple[Key, list[int]] | None:
    """Batches that go the same way, together some ten thousand people; (from, to) and their ids."""
    free = Batch.objects.filter(
        state=Outcome.PENDING, lease="", moves_to__isnull=False, cancel_requested=False
    )
    rows = (
        free.filter(pk__gt=after)
        .order_by("pk")
        .values_list("pk", "sync", "moves_to", "n")[:CANDIDATES]
    )
    return _together((pk, (source, to or 0), n) for pk, source, to, n in rows)


def _together(rows: Iterable[tuple[int, Key, int]]) -> tuple[Key, list[int]] | None:
    way: Key | None = None
    ids: list[int] = []
    people = 0
    for pk, key, n in rows:
        way = way or key
        if key != way or (ids and people + n > PEOPLE):
            break
        ids.append(pk)
        people += n
    return (way, ids) if way else None


def retry(sync: Sync, *, to: Sync, now: datetime) -> int:
    """Let all errored people of ``sync`` enter ``to``: those whose batch is errored, then those who are errored alone."""
    n, errored = 0, Batch.objects.filter(sync=sync, state=Outcome.ERRORED, n__gt=0, repeat_of=None)
    while found := _together(
        (pk, (sync.pk, to.pk), size) for pk, size in errored.values_list("pk", "n")[:CANDIDATES]
    ):
        n += _enter(
            found[1], to=to.pk, still=Q(state=Outcome.ERRORED), out_of=Outcome.ERRORED, now=now
        )
    alone = Delivery.objects.filter(sync=sync, outcome=Outcome.ERRORED).order_by("pk")
    while ids := list(alone.values_list("pk", flat=True)[:PEOPLE]):
        n += _enter_alone(ids, to=to.pk, now=now)
    clock.wake(TASK)
    return n


def _enter(
    ids: Sequence[int], *, to: int, still: Q, out_of: Outcome = Outcome.PENDING, now: datetime
) -> int:
    """Let the people of these batches enter ``to``, in one transaction; answers how many have left where they were.

    They count as cancelled where they were, and as moved there. What may have arrived is taken back, and so it is should
    a worker that stood still send it late: that is what ``cancel_requested`` says of an ended batch.
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
        if _has_later(target, oldest):
            last_wish.cancel(
                members.filter(_later(target)), Reason.SUPERSEDED, out_of=out_of, now=now
            )
        batches = list(going)
        settle.finish(batches, Outcome.CANCELLED, out_of=out_of, code=Reason.MOVED.value, now=now)
        Batch.objects.filter(pk__in=held).update(cancel_requested=True)
        for batch in batches:
            moves.add(batch.sync_id, moved=batch.n)
        last_wish.undo([batch for batch in batches if batch.attempts], now=now)
        _let_in(target, members, seq=seq, oldest=oldest, now=now)
    return n


def _enter_alone(ids: Sequence[int], *, to: int, now: datetime) -> int:
    """The same for people who are errored although their batch is not: the partner has refused them by name."""
    with tally.gathered(now=now) as moves:
        rows = Delivery.objects.filter(pk__in=ids)
        target, seq = _hold(to, Q(pk__in=set(rows.values_list("batch", flat=True))))
        chosen = rows.filter(outcome=Outcome.ERRORED)
        found = list(chosen.order_by("pk").values_list("pk", "sync"))
        oldest = (
            chosen.order_by("batch__created_at").values_list("batch__created_at", flat=True).first()
        )
        late = set(chosen.filter(_later(target)).values_list("pk", flat=True))
        going = [pk for pk, _sync in found if pk not in late]
        rows.filter(pk__in=late).update(outcome=Outcome.CANCELLED, reason=Reason.SUPERSEDED)
        rows.filter(pk__in=going).update(outcome=Outcome.CANCELLED, reason=Reason.MOVED)
        for pk, sync_id in found:
            moves.shift(sync_id, 1, out_of="errored", to="cancelled")
            moves.add(sync_id, moved=int(pk not in late))
        if going:
            _let_in(
                target,
                Delivery.objects.filter(pk__in=going),
                seq=seq,
                oldest=oldest or now,
                now=now,
            )
    return len(found)


def _hold(to: int, batches: Q) -> tuple[Sync, int]:
    """Lock the audience people are to enter, then these batches and those that may be overtaken there, in one order."""
    target = Sync.objects.select_related("app_group", "audience__ad_account__connection").get(pk=to)
    row = Audience.objects.select_for_update(no_key=True).filter(pk=target.audience_id)
    seq: int = row.values_list("seq", flat=True).get()
    opposite = Action(target.action).opposite
    waiting = Q(audience=target.audience_id, action=opposite, state=Outcome.PENDING, lease="")
    collect.in_order(Batch.objects.filter(batches | waiting))
    return target, seq


def _has_later(target: Sync, since: datetime) -> bool:
    opposite = Action(target.action).opposite
    return Batch.objects.filter(
        audience=target.audience_id, action=opposite, created_at__gt=since
    ).exists()


def _later(target: Sync) -> Exists:
    """Who was asked the opposite of ``target`` after they had begun to wait: the later one counts."""
    return Exists(
        last_wish.opposite_of(target).filter(batch__created_at__gt=OuterRef("batch__created_at"))
    )


def _let_in(
    target: Sync, people: QuerySet[Delivery], *, seq: int, oldest: datetime, now: datetime
) -> None:
    """They are judged by what ``target`` asks, and keep their age: how long they wait is shown, and who was asked the
    opposite meanwhile is known if they are moved once more."""
    enqueue.enqueue(target, people.values_list("entry_key", "profile_id"), now=now)
    fresh = Batch.objects.filter(
        audience=target.audience_id, action=target.action, seq__gt=seq, sync=target
    )
    fresh.update(created_at=oldest, due_at=now)
