"""The face of the sync queue: what a step may ask of it. The way of a crowd: enqueue, collect, push, settle."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet, Sum

from audiencesync.core import beat as clock
from partners.models import (
    AdAccount,
    Audience,
    Batch,
    Connection,
    Delivery,
    Outcome,
    Reason,
    Sync,
    Tally,
)
from partners.models.queue import COLUMNS, no_counts, numbers_of
from partners.queue import collect, flush, move, settle, tally
from partners.queue import enqueue as entering

RETRY_CHUNK = 10_000


def enqueue(sync: Sync, people: "QuerySet[Any, tuple[int, int]]", *, now: datetime) -> int:
    """Let a crowd enter ``sync`` inside the caller's transaction and wake the queue; answers how many were new.

    ``people``: ``values_list(<entry key>, "profile_id")``, at most some ten thousand rows.
    """
    entered = entering.enqueue(sync, people, now=now)
    if entered:
        clock.wake(flush.TASK)
    return entered


def counts(syncs: Iterable[int]) -> dict[int, dict[str, int]]:
    """The six counts by Sync id: entered, synced, not_synced, pending, errored, cancelled."""
    found = {row.pk: row.as_dict() for row in Tally.objects.filter(pk__in=list(syncs))}
    return {sync: found.get(sync, no_counts()) for sync in syncs}


def total(syncs: "QuerySet[Sync]") -> dict[str, int]:
    """The six counts summed over ``syncs``."""
    return numbers_of(
        Tally.objects.filter(sync__in=syncs).aggregate(**{name: Sum(name) for name in COLUMNS})
    )


def resume(syncs: "QuerySet[Sync]") -> None:
    """The asker runs: adds flow, and a problem here is shown. Whoever waited while it was stopped has all the time anew."""
    stopped = Batch.objects.filter(
        collect.PAUSED, sync__in=syncs, state=Outcome.PENDING, first_failed_at__isnull=False
    )
    for some in collect.stretches(stopped):
        with transaction.atomic():
            Batch.objects.filter(pk__in=collect.in_order(some)).update(
                first_failed_at=None, deadline_at=None
            )
    syncs.update(is_live=True, paused=False)
    clock.wake(flush.TASK)


def pause(syncs: "QuerySet[Sync]") -> None:
    """The asker was stopped: adds wait, removals flow on."""
    syncs.update(is_live=False, paused=True)


def hand_over(profile: int, *, to: int | None) -> None:
    """What was asked for somebody was asked for whom they turned out to be: the last wish of both wins."""
    Delivery.objects.filter(profile=profile).update(profile=to)


def woken(connection: Connection) -> None:
    """A new token is here, or ad accounts were chosen anew: whoever waits is tried at once."""
    accounts = AdAccount.objects.filter(connection=connection)
    accounts.exclude(parked_until=None).update(parked_until=None)
    Audience.objects.filter(ad_account__in=accounts).exclude(parked_until=None).update(
        parked_until=None
    )
    waiting = Batch.objects.filter(ad_account__in=accounts, state=Outcome.PENDING, lease="")
    for some in collect.stretches(waiting):
        with transaction.atomic():
            Batch.objects.filter(pk__in=collect.in_order(some)).update(due_at=F("created_at"))
    clock.wake(flush.TASK)


def pending(*, connection: Connection | None = None, ad_account: AdAccount | None = None) -> int:
    """How many people wait to be sent through a connection or an ad account."""
    sums = _of(connection, ad_account).filter(state=Outcome.PENDING).aggregate(n=Sum("n"))
    return sums["n"] or 0


def flowing(connection: Connection) -> int:
    """How many people are sent as soon as the partner answers: not those of stopped canvases or left out ad accounts."""
    waiting = Batch.objects.filter(
        ad_account__connection=connection, ad_account__is_chosen=True, state=Outcome.PENDING
    )
    return waiting.exclude(collect.PAUSED).aggregate(n=Sum("n"))["n"] or 0


def discard(
    *, now: datetime, connection: Connection | None = None, ad_account: AdAccount | None = None
) -> int:
    """Cancel all who wait there; answers how many people. Who is under way right now is decided by the answer."""
    with tally.gathered(now=now):
        mine = _of(connection, ad_account).filter(
            state=Outcome.PENDING, repeat_of=None
        )  # a repair is no wish
        mine = mine.filter(
            sync__purpose=Sync.Purpose.STEP
        )  # who is to be taken out, waits for a reconnect
        for some in collect.stretches(mine):
            # All of them: what a worker is about to lease right now is waited for, and decided by its answer, too.
            Batch.objects.filter(pk__in=collect.in_order(some), state=Outcome.PENDING).update(
                cancel_requested=True
            )
        return sum(
            settle.cancel(some, Reason.DISCARDED, now=now) for some in collect.stretches(mine)
        )


def _of(connection: Connection | None, ad_account: AdAccount | None) -> "QuerySet[Batch]":
    if ad_account is not None:
        return Batch.objects.filter(ad_account=ad_account)
    return Batch.objects.filter(ad_account__connection=connection)


def reasons(syncs: Iterable[int]) -> dict[str, dict[str, int]]:
    """Why people of ``syncs`` are not synced: outcome (or pending) -> reason or code -> people. Listed by behind.py."""
    mine = list(syncs)
    own = (
        Delivery.objects.filter(sync__in=mine)
        .exclude(outcome=None)
        .values_list("outcome", "reason")
        .annotate(n=Count("pk"))
    )
    unsynced = Q(state__in=[Outcome.PENDING, Outcome.ERRORED, Outcome.CANCELLED])
    together = (
        Batch.objects.filter(unsynced, sync__in=mine, n__gt=0)
        .values_list("state", "last_code")
        .annotate(n=Sum("n"))
    )
    dropped = [
        (outcome, reason, n)
        for base in Tally.objects.filter(pk__in=mine).values_list("base", flat=True)
        for outcome, by_reason in base.items()
        for reason, n in by_reason.items()
        if outcome != Outcome.SYNCED
    ]
    found: dict[str, dict[str, int]] = {}
    for outcome, reason, n in [*own.order_by(), *together.order_by(), *dropped]:
        by_reason = found.setdefault(outcome or "", {})
        by_reason[reason or ""] = by_reason.get(reason or "", 0) + n
    return found


def retry_errored(sync: Sync, *, to: Sync | None = None, now: datetime) -> int:
    """Give all errored people of ``sync`` another 13 hours, but for those who were asked the opposite later on.

    They travel in new batches at the end of the order; if their step asks something else by now (``to``), for that.
    Answers how many people were errored.
    """
    if to is not None and to.pk != sync.pk:
        return move.retry(sync, to=to, now=now)
    retried, after = 0, -1
    while rows := _errored(sync, after=after):
        retried += _retry(sync, rows, now=now)
        after = rows[-1][1]
    clock.wake(flush.TASK)
    return retried


ERRORED = Q(outcome=Outcome.ERRORED) | Q(outcome=None, batch__state=Outcome.ERRORED)


def _errored(sync: Sync, *, after: int) -> list[tuple[int, int, int | None]]:
    """Some ten thousand of them with a larger entry key (delivery, key, batch): each row of the Sync is read once."""
    rows = Delivery.objects.filter(ERRORED, sync=sync, entry_key__gt=after).order_by("entry_key")
    return list(rows.values_list("pk", "entry_key", "batch")[:RETRY_CHUNK])


def _retry(sync: Sync, rows: list[tuple[int, int, int | None]], *, now: datetime) -> int:
    """Move them in one transaction, under the locks of the audience and their batches; answers how many were errored."""
    with tally.gathered(now=now) as moves:
        list(
            Audience.objects.select_for_update(no_key=True)
            .filter(pk=sync.audience_id)
            .values_list("pk")
        )
        theirs = Batch.objects.filter(
            pk__in={batch for _pk, _key, batch in rows if batch is not None}
        )
        held = collect.in_order(theirs)
        chosen = Delivery.objects.filter(
            ERRORED, batch__in=held, pk__in=[pk for pk, _key, _batch in rows]
        )
        ids = list(chosen.order_by("pk").values_list("pk", flat=True))
        if not ids:
            return 0
        left = (
            Delivery.objects.filter(pk__in=ids, outcome=None)
            .values_list("batch")
            .annotate(n=Count("pk"))
            .order_by()
        )
        for batch_id, n in sorted(left):
            Batch.objects.filter(pk=batch_id).update(n=F("n") - n)
        moves.shift(sync.pk, len(ids), out_of="errored", to="pending")
        entering.put_in_batches(
            sync, ids, is_unsure=theirs.filter(attempts__gt=0).exists(), now=now
        )
        return len(ids)
