"""The interface of the queue for canvases: steps send only through this module of `partners`."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum

from audiencesync.core.beat import wake
from partners.incidents import reconcile
from partners.models import (
    AdAccount,
    Audience,
    Batch,
    Connection,
    Delivery,
    Outcome,
    Reason,
    Sync,
)
from partners.models.batch_queries import PAUSED, BatchQuerySet
from partners.people import by_reason, retry
from partners.people.by_reason import Reasons
from partners.queue import enqueue as queue_enqueue
from partners.queue import flush, move, tally, transitions
from partners.queue.removals import withdraw as removals_withdraw

MAX_KEPT = 1_000
"""Of people who left and stay in the audience, `wanted_elsewhere` reads so many, the newest."""


def enqueue(sync: Sync, people: "QuerySet[Any, tuple[int, int]]", *, now: datetime) -> int:
    """Let people enter ``sync``, inside the caller's transaction. Return how many were new.

    ``people`` is ``values_list(<entry key>, "profile_id")`` of at most some ten thousand rows.
    """
    n_new = queue_enqueue.enqueue(sync, people, now=now)
    if n_new:
        wake(flush.TASK)
    return n_new


def withdraw(
    sync: Sync, profile_ids: Iterable[int], *, now: datetime, even_if_wanted: bool = False
) -> int:
    """Remove people again whom ``sync`` added, inside the caller's transaction.

    At most 10,000 profiles. Each add is reverted once: a repeated call changes nothing. People
    whom another Sync added to the same audience stay, and count as wanted elsewhere; not if
    ``even_if_wanted``, after a change of their identifiers. Return how many adds were reverted.

    With several Syncs in one transaction, pass them in the order of their audiences' ids: each
    call locks the row of the audience until the end of the transaction.
    """
    n_reverted = removals_withdraw.withdraw(
        sync, profile_ids, now=now, even_if_wanted=even_if_wanted
    )
    if n_reverted:
        wake(flush.TASK)
    return n_reverted


def standing_adds(sync_ids: Iterable[int]) -> "QuerySet[Delivery]":
    """Return the adds of these Syncs that are neither void nor discarded nor reverted."""
    return removals_withdraw.standing_adds(sync_ids)


def set_claims(syncs: "QuerySet[Sync]", *, claims: bool) -> None:
    """Set whether people whom these Syncs added stay when another Sync would remove them again."""
    syncs.update(claims=claims)


@dataclass(frozen=True, slots=True)
class Want:
    """A step that still wants ``n`` people in an audience from which another step removes them."""

    label: str
    url: str
    n: int


def wanted_elsewhere(sync_ids: Iterable[int]) -> list[Want]:
    """Return the steps for which people stay in an audience although they left these Syncs.

    Only of the MAX_KEPT people who left last; the step with most people first.
    """
    steps = removals_withdraw.steps_that_want(sync_ids, most=MAX_KEPT)
    return [Want(label, url, n) for label, url, n in steps]


def resume(syncs: "QuerySet[Sync]") -> None:
    """Let the adds go on and show problems: the canvas is live again.

    People who waited while it was stopped have the whole retry window again.
    """
    paused = Batch.objects.pending().filter(PAUSED, sync__in=syncs, first_failed_at__isnull=False)
    for chunk in paused.chunks():
        with transaction.atomic():
            Batch.objects.filter(pk__in=chunk.lock_ids()).update(
                first_failed_at=None, deadline_at=None
            )
    _with_undoing(syncs).update(is_live=True)
    syncs.update(paused=False)
    _reconcile(syncs)
    wake(flush.TASK)


def pause(syncs: "QuerySet[Sync]") -> None:
    """Let the adds wait, because the canvas was stopped; removals go on."""
    _with_undoing(syncs).update(is_live=False)
    syncs.update(paused=True)
    _reconcile(syncs)


def retire(syncs: "QuerySet[Sync]") -> None:
    """Show no problems of these Syncs: their step uses another one. Their people are still sent."""
    if _with_undoing(syncs).update(is_live=False):
        _reconcile(syncs)


def _reconcile(syncs: "QuerySet[Sync]") -> None:
    """Let the groups' incidents be checked: only those of live Syncs are open."""
    for app_group in set(syncs.order_by().values_list("app_group", flat=True)):
        reconcile.after_commit(app_group)


def _with_undoing(syncs: "QuerySet[Sync]") -> "QuerySet[Sync]":
    """Return these Syncs and those that remove their people again when they leave."""
    sync_ids = syncs.values("pk")
    return Sync.objects.filter(Q(pk__in=sync_ids) | Q(undoes__in=sync_ids))


def reassign(profile_id: int, *, to: int | None) -> None:
    """Reassign the deliveries of a merged profile; None leaves them without a profile.

    Of both profiles' deliveries to an audience, the last one counts.
    """
    Delivery.objects.filter(profile=profile_id).update(profile=to)


def retry_now(connection: Connection) -> None:
    """Make all waiting batches due, after a new token or another choice of ad accounts."""
    accounts = AdAccount.objects.filter(connection=connection)
    accounts.exclude(parked_until=None).update(parked_until=None)
    Audience.objects.filter(ad_account__in=accounts).exclude(parked_until=None).update(
        parked_until=None
    )
    for chunk in Batch.objects.waiting().filter(ad_account__in=accounts).chunks():
        with transaction.atomic():
            # In the order in which their people entered.
            Batch.objects.filter(pk__in=chunk.lock_ids()).update(due_at=F("created_at"))
    wake(flush.TASK)


def n_sendable(connection: Connection) -> int:
    """Return how many people are sent as soon as the partner answers.

    Not those of stopped canvases or of ad accounts that were left out.
    """
    pending = _batches_of(connection, None).pending().filter(ad_account__is_chosen=True)
    return pending.not_paused().aggregate(n=Sum("n"))["n"] or 0


def discard(
    *, now: datetime, connection: Connection | None = None, ad_account: AdAccount | None = None
) -> int:
    """Cancel the pending people of steps in a connection or ad account. Return how many.

    A batch in flight is decided by its answer. Removals of people who left, and those that no
    step asked for, wait for a reconnect, and so do repeats: nothing would ask for them again.
    """
    with tally.atomic(now=now):
        pending = _batches_of(connection, ad_account).pending()
        batches = pending.of_steps().filter(sync__undoes=None)
        for chunk in batches.chunks():
            # All of them are marked: the answer decides for a batch that a worker leases now.
            Batch.objects.pending().filter(pk__in=chunk.lock_ids()).update(cancel_requested=True)
        return sum(
            transitions.cancel(chunk, Reason.DISCARDED, now=now) for chunk in batches.chunks()
        )


def _batches_of(connection: Connection | None, ad_account: AdAccount | None) -> BatchQuerySet:
    if ad_account is not None:
        return Batch.objects.filter(ad_account=ad_account)
    return Batch.objects.filter(ad_account__connection=connection)


def reasons(sync_ids: Iterable[int], *, outcome: Outcome | None = None) -> Reasons:
    """Return why people are not synced: outcome (or pending) -> reason or code -> people.

    ``outcome``: only that one. people/counted.py lists the people of each number.
    """
    return by_reason.of_syncs(sync_ids, [outcome] if outcome else by_reason.UNSYNCED)


def retry_errored(
    sync: Sync,
    *,
    to: Sync | None = None,
    reason: str | None = None,
    only: Collection[int] | None = None,
    now: datetime,
) -> int:
    """Give errored people of ``sync`` another retry window. Return how many were errored.

    ``reason``: only those of this reason or code. ``only``: ids of deliveries.

    Not those with a later, opposite operation. They are sent in new batches at the end of the
    audience's order. If the step has another Sync by now (``to``), they enter that one.
    """
    if to is not None and to.pk != sync.pk:
        return move.retry(sync, to=to, reason=reason, only=only, now=now)
    n = retry.in_place(sync, reason=reason, only=only, now=now)
    wake(flush.TASK)
    return n
