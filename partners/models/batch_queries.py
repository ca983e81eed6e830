"""The queryset of `Batch`: which batches are due, waiting, leased or discarded.

Pending: not synced, errored or cancelled yet. Waiting: pending, and leased to no worker. Parked:
stopped by the circuit breaker (queue/park.py). Paused: the canvas is stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, IntegerField, Q, Value, When

from audiencesync.core import chunks, lease
from partners.base import Action
from partners.models.outcomes import Outcome

if TYPE_CHECKING:
    from partners.models.queue import Batch  # noqa: F401 - the model of the queryset

LARGE = 1_000
"""Batches of at least this many people are sent after smaller ones, which they would delay."""

PAUSED = Q(sync__paused=True, action=Action.ADD, repeat_of=None)
"""Adds of a stopped canvas: they wait, and their retry window does not run."""

OF_STEPS = ("", "left")
"""Purposes of a step's Syncs: what the step asks for, and the removal of people who left it."""

CLOCK_SKEW = timedelta(hours=1)
"""How far the clocks of two machines may differ."""

SEALED = "sealed"
"""The last code of batches whose token a machine could not decrypt with its TOKEN_KEYS."""

OTHER_MACHINES_SECONDS = 60.0
"""Seconds within which a machine with the right keys would have sent such a batch."""


class BatchQuerySet(models.QuerySet["Batch"]):
    """Batches of the queue."""

    def pending(self) -> Self:
        return self.filter(state=Outcome.PENDING)

    def waiting(self) -> Self:
        """Return the pending batches that no worker has leased."""
        return self.filter(state=Outcome.PENDING, lease="")

    def settled(self) -> Self:
        return self.exclude(state=Outcome.PENDING)

    def leased_to(self, lease: str) -> Self:
        """Return the pending batches that are leased under this id."""
        return self.filter(lease=lease, state=Outcome.PENDING)

    def abandoned(self, now: datetime) -> Self:
        """Return the pending batches of workers that did not answer before their lease ended."""
        return self.filter(lease_expired(now), state=Outcome.PENDING).exclude(lease="")

    def not_paused(self) -> Self:
        return self.exclude(PAUSED)

    def not_in_swap(self) -> Self:
        """Leave out batches of connections in a swap (their account is changed: queue/park.py)."""
        return self.filter(ad_account__connection__swap_until=None)

    def discarded(self) -> Self:
        """Return the batches to cancel: discarded, and no longer leased to a worker."""
        return self.waiting().filter(cancel_requested=True, repeat_of=None)

    def to_move(self) -> Self:
        """Return the waiting batches whose people are to enter another Sync (queue/move.py)."""
        return self.waiting().filter(moves_to__isnull=False, cancel_requested=False)

    def sendable(self) -> Self:
        """Return the waiting batches that are neither discarded nor about to be moved."""
        return self.waiting().filter(cancel_requested=False, moves_to=None)

    def of_steps(self) -> Self:
        """Return the batches of steps, without removals after an erasure or withdrawn consent."""
        return self.filter(sync__purpose__in=OF_STEPS, repeat_of=None)

    def due(self, now: datetime) -> Self:
        """Return the batches that may be sent now, in the order in which to send them.

        Batches behind a parked connection, ad account or audience are left out until their
        deadline has come: then they are tried once more.
        """
        last_try = Q(deadline_at__lte=now)
        # A due time beyond the longest back-off was written by a wrong clock.
        latest = now + timedelta(seconds=settings.SYNC.backoff_max)
        return (
            self.sendable()
            .filter(Q(due_at__lte=now) | Q(due_at__gt=latest), waits_for=None)
            .filter(ad_account__is_chosen=True)
            .exclude(ad_account__connection__token_sealed="")
            .filter(~_parked_q("ad_account__connection", now) | last_try)
            .filter(~_parked_q("ad_account", now) | last_try)
            .filter(~_parked_q("audience", now) | last_try)
            .not_paused()
            .not_in_swap()
            .annotate(rank=_rank(last_try))
            .order_by("rank", "due_at", "pk")
        )

    def without_key(self, now: datetime) -> Self:
        """Return the batches whose token no machine could decrypt within a minute."""
        marked = self.pending().filter(last_code=SEALED, n__gt=0).not_paused()
        return marked.filter(first_failed_at__lte=now - timedelta(seconds=OTHER_MACHINES_SECONDS))

    def unreachable(self) -> Self:
        """Return the batches that cannot be tried.

        Their connection has no token, or their ad account is no longer chosen.
        """
        return self.filter(
            Q(ad_account__connection__token_sealed="") | Q(ad_account__is_chosen=False)
        )

    def blocked(self, now: datetime) -> Self:
        """Return batches that cannot be tried, or are behind a parked row (Parkable)."""
        return self.filter(
            Q(ad_account__connection__token_sealed="")
            | Q(ad_account__is_chosen=False)
            | _parked_q("ad_account__connection", now)
            | _parked_q("ad_account", now)
            | _parked_q("audience", now)
        )

    def for_update(self) -> Self:
        """Lock the rows when the queryset is read, in the order of their ids.

        Every transaction locks batches in this order, so that no two of them deadlock.
        """
        return self.select_for_update(of=("self",)).order_by("pk")

    def lock_ids(self) -> list[int]:
        """Lock the rows now, inside the caller's transaction, and return their ids."""
        return list(self.for_update().values_list("pk", flat=True))

    def chunks(self) -> Iterator[BatchQuerySet]:
        """Yield the batches in bounded querysets: after an outage there may be very many."""
        for ids in chunks.ids(self):
            yield self.filter(pk__in=ids)


def lease_expired(now: datetime) -> Q:
    """Match batches and lanes whose lease has expired."""
    return lease.expired_q("lease_until", seconds=settings.SYNC.lease, now=now)


def _rank(last_try: Q) -> Case:
    """Return the rank of a batch: the lowest is sent first."""
    return Case(
        When(crashes__gt=0, then=Value(4)),  # it may kill the worker, so it comes last
        When(last_try, then=Value(0)),
        When(n__gte=LARGE, then=Value(3)),
        When(repeat_of__isnull=True, then=Value(2)),
        default=Value(1),  # repeats: later batches of the audience wait for them
        output_field=IntegerField(),
    )


def _parked_q(path: str, now: datetime) -> Q:
    # A time beyond the probe interval was written by a wrong clock.
    latest = now + timedelta(seconds=settings.SYNC.probe) + CLOCK_SKEW
    return Q(**{f"{path}__parked_until__gt": now, f"{path}__parked_until__lte": latest})
