"""Questions about many batches: which are due, waiting, leased or discarded."""

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
"""Batches of at least this many people go after small ones, which they would delay."""

PAUSED = Q(sync__paused=True, action=Action.ADD, repeat_of=None)
"""Adds of a stopped canvas: they wait, and their retry window does not run."""

OF_STEPS = ("", "left")
"""Purposes of the Syncs of a step: what it asks for, and the removal of people who left."""

CLOCK_SKEW = timedelta(hours=1)

SEALED = "sealed"
"""The last code of batches whose token the TOKEN_KEYS of a machine did not open."""

OTHERS_FIRST = 60.0
"""Seconds within which a machine with the right keys would have sent such a batch."""


class BatchQuerySet(models.QuerySet["Batch"]):
    """Batches of the queue."""

    def pending(self) -> Self:
        return self.filter(state=Outcome.PENDING)

    def waiting(self) -> Self:
        """Pending, and leased to no worker."""
        return self.filter(state=Outcome.PENDING, lease="")

    def settled(self) -> Self:
        return self.exclude(state=Outcome.PENDING)

    def leased_to(self, lease: str) -> Self:
        """Pending, and leased under this id."""
        return self.filter(lease=lease, state=Outcome.PENDING)

    def abandoned(self, now: datetime) -> Self:
        """Pending, and leased to a worker that did not answer before its lease ended."""
        return self.filter(lease_expired(now), state=Outcome.PENDING).exclude(lease="")

    def not_paused(self) -> Self:
        return self.exclude(PAUSED)

    def not_held(self) -> Self:
        """Of connections whose account is not being changed (queue/park.py)."""
        return self.filter(ad_account__connection__swap_until=None)

    def discarded(self) -> Self:
        """Waiting to be cancelled: discarded, and leased to no worker any more."""
        return self.waiting().filter(cancel_requested=True, repeat_of=None)

    def to_move(self) -> Self:
        """Waiting to enter another Sync (queue/move.py)."""
        return self.waiting().filter(moves_to__isnull=False, cancel_requested=False)

    def sendable(self) -> Self:
        """Waiting, and neither discarded nor about to be moved."""
        return self.waiting().filter(cancel_requested=False, moves_to=None)

    def of_steps(self) -> Self:
        """Batches of steps, without removals after an erasure or withdrawn consent."""
        return self.filter(sync__purpose__in=OF_STEPS, repeat_of=None)

    def due(self, now: datetime) -> Self:
        """Batches that may be sent now, in the order in which they should be.

        Batches behind a parked connection, ad account or audience are left out until their
        deadline has come: then they are tried once more.
        """
        last_try = Q(deadline_at__lte=now)
        # A later due time than any back-off was written by a wrong clock.
        latest = now + timedelta(seconds=settings.SYNC.backoff_max)
        return (
            self.sendable()
            .filter(Q(due_at__lte=now) | Q(due_at__gt=latest), waits_for=None)
            .filter(ad_account__is_chosen=True)
            .exclude(ad_account__connection__token_sealed="")
            .filter(~_parked("ad_account__connection", now) | last_try)
            .filter(~_parked("ad_account", now) | last_try)
            .filter(~_parked("audience", now) | last_try)
            .not_paused()
            .not_held()
            .annotate(turn=_turn(last_try))
            .order_by("turn", "due_at", "pk")
        )

    def stuck(self, now: datetime) -> Self:
        """Batches that no machine could send within a minute for want of a key."""
        mine = self.pending().filter(last_code=SEALED, n__gt=0).not_paused()
        return mine.filter(first_failed_at__lte=now - timedelta(seconds=OTHERS_FIRST))

    def unreachable(self) -> Self:
        """Batches that cannot be tried: their connection has no token, or left the ad account."""
        return self.filter(
            Q(ad_account__connection__token_sealed="") | Q(ad_account__is_chosen=False)
        )

    def blocked(self, now: datetime) -> Self:
        """Batches that cannot be tried, or have something parked on their way."""
        return self.filter(
            Q(ad_account__connection__token_sealed="")
            | Q(ad_account__is_chosen=False)
            | _parked("ad_account__connection", now)
            | _parked("ad_account", now)
            | _parked("audience", now)
        )

    def locked(self) -> Self:
        """Lock the rows when they are read, in the order of their ids.

        Every transaction locks batches in this order, so that no two of them deadlock.
        """
        return self.select_for_update(of=("self",)).order_by("pk")

    def lock(self) -> list[int]:
        """Lock the rows now, inside the caller's transaction, and return their ids."""
        return list(self.locked().values_list("pk", flat=True))

    def chunks(self) -> Iterator[BatchQuerySet]:
        """Yield the batches in bounded querysets: after an outage there may be very many."""
        for some in chunks.ids(self):
            yield self.filter(pk__in=some)


def lease_expired(now: datetime) -> Q:
    """Match batches and lanes whose lease has expired."""
    return lease.expired("lease_until", seconds=settings.SYNC.lease, now=now)


def _turn(last_try: Q) -> Case:
    """Return the rank of a batch: the lowest goes first."""
    return Case(
        When(crashes__gt=0, then=Value(4)),  # may kill the worker: after all others
        When(last_try, then=Value(0)),
        When(n__gte=LARGE, then=Value(3)),
        When(repeat_of__isnull=True, then=Value(2)),
        default=Value(1),
        output_field=IntegerField(),
    )


def _parked(path: str, now: datetime) -> Q:
    # A later probe than any that is planned was written by a wrong clock.
    latest = now + timedelta(seconds=settings.SYNC.probe) + CLOCK_SKEW
    return Q(**{f"{path}__parked_until__gt": now, f"{path}__parked_until__lte": latest})
