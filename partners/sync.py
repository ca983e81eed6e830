"""The interface of the queue: canvases send only through this module of `partners`.

`retry_now`, `n_sendable` and `discard` are for connecting and disconnecting a partner.
"""

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
"""`wanted_elsewhere` reads this many people who left but stay in the audience: the latest ones."""


def enqueue(sync: Sync, people: "QuerySet[Any, tuple[int, int]]", *, now: datetime) -> int:
    """Let people enter ``sync``, inside the caller's transaction. Return how many were new.

    ``people`` is ``values_list(<entry key>, "profile_id")`` of at most about 10,000 rows. An entry
    key stands for one entry into the Sync (steps give the id of the visit). A known key is skipped,
    so a repeated call adds nothing.
    """
    n_new = queue_enqueue.enqueue(sync, people, now=now)
    if n_new:
        wake(flush.TASK)
    return n_new


def withdraw(
    sync: Sync, profile_ids: Iterable[int], *, now: datetime, even_if_wanted: bool = False
) -> int:
    """Remove people whom ``sync`` added, inside the caller's transaction.

    Pass at most 10,000 profiles. Return how many adds were reverted. Each is reverted once: a
    repeated call changes nothing. People whom another Sync added to the same audience stay, and
    count as wanted elsewhere. ``even_if_wanted``: remove them, too, because their identifiers have
    changed and the former ones must leave the audience.

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
    """Return the adds of these Syncs that have arrived or may arrive, and are not reverted."""
    return removals_withdraw.standing_adds(sync_ids)


def set_claims(syncs: "QuerySet[Sync]", *, claims: bool) -> None:
    """Set whether people whom these Syncs added stay when another Sync would remove them."""
    syncs.update(claims=claims)


@dataclass(frozen=True, slots=True)
class Want:
    """A step that still wants ``n`` people in an audience from which another step removes them."""

    label: str
    url: str
    n: int


def wanted_elsewhere(sync_ids: Iterable[int]) -> list[Want]:
    """Return the steps for which people stay in an audience although they left these Syncs.

    Only the MAX_KEPT people who left last are counted; the step with most people comes first.
    """
    steps = removals_withdraw.steps_that_want(sync_ids, most=MAX_KEPT)
    return [Want(label, url, n) for label, url, n in steps]


def resume(syncs: "QuerySet[Sync]") -> None:
    """Send the adds again and show problems: the canvas is live again.

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
    syncs.update(paused=True)  # holds back only adds (see PAUSED)
    _reconcile(syncs)


def retire(syncs: "QuerySet[Sync]") -> None:
    """Show no problems of these Syncs: their step uses another one. Their people are still sent."""
    if _with_undoing(syncs).update(is_live=False):
        _reconcile(syncs)


def _reconcile(syncs: "QuerySet[Sync]") -> None:
    """Open or end incidents of the groups: only live Syncs have open ones."""
    for app_group in set(syncs.order_by().values_list("app_group", flat=True)):
        reconcile.after_commit(app_group)


def _with_undoing(syncs: "QuerySet[Sync]") -> "QuerySet[Sync]":
    """Return these Syncs and their undoing Syncs, which remove people who leave."""
    sync_ids = syncs.values("pk")
    return Sync.objects.filter(Q(pk__in=sync_ids) | Q(undoes__in=sync_ids))


def reassign(profile_id: int, *, to: int | None) -> None:
    """Reassign the deliveries of a merged profile; None leaves them without a profile.

    Of both profiles' deliveries to an audience, the last one counts: `collect.lease_batches`
    cancels a waiting one that a later, opposite one supersedes.
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
            # Batches are due in the order in which their people entered.
            Batch.objects.filter(pk__in=chunk.lock_ids()).update(due_at=F("created_at"))
    wake(flush.TASK)


def n_sendable(connection: Connection) -> int:
    """Return how many people are sent as soon as the partner answers.

    People of stopped canvases and of ad accounts that are not chosen do not count.
    """
    pending = _batches_of(connection, None).pending().filter(ad_account__is_chosen=True)
    return pending.not_paused().aggregate(n=Sum("n"))["n"] or 0


def discard(
    *, now: datetime, connection: Connection | None = None, ad_account: AdAccount | None = None
) -> int:
    """Cancel the pending people of steps in a connection or an ad account. Return how many.

    Pass exactly one of the two. A batch in flight is only marked: its answer decides. Removals of
    people who left a step, removals by the app group (such as after an erasure) and repeats wait
    for a reconnect: nothing would enqueue them a second time.
    """
    with tally.atomic(now=now):
        pending = _batches_of(connection, ad_account).pending()
        batches = pending.of_steps().filter(sync__undoes=None)
        for chunk in batches.chunks():
            # `cancel` below skips leased batches. Marked, they are cancelled after their answer, or
            # taken back if they have arrived.
            Batch.objects.pending().filter(pk__in=chunk.lock_ids()).update(cancel_requested=True)
        return sum(
            transitions.cancel(chunk, Reason.DISCARDED, now=now) for chunk in batches.chunks()
        )


def _batches_of(connection: Connection | None, ad_account: AdAccount | None) -> BatchQuerySet:
    if ad_account is not None:
        return Batch.objects.filter(ad_account=ad_account)
    return Batch.objects.filter(ad_account__connection=connection)


def reasons(sync_ids: Iterable[int], *, outcome: Outcome | None = None) -> Reasons:
    """Return outcome -> Reason or the partner's code -> how many people are not synced for it.

    ``outcome``: only this one. partners/people/counted.py lists the people of each number.
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

    ``reason``: only people with this Reason or partner's code. ``only``: ids of deliveries.
    ``to``: the Sync that they enter, if the step has another one by now.

    The people are sent in new batches at the end of the audience's order. People with a later,
    opposite operation are cancelled instead; the result counts them, too.
    """
    if to is not None and to.pk != sync.pk:
        return move.retry(sync, to=to, reason=reason, only=only, now=now)  # wakes the queue itself
    n = retry.in_same_sync(sync, reason=reason, only=only, now=now)
    wake(flush.TASK)
    return n
