"""The changes of a batch's state. Each one filters by the state that it expects.

A worker changes only batches that are still leased to it; after its lease has ended, it finds none.
The tally changes in the same transaction as the rows it counts.
"""

import logging
import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F

from partners.models import Batch, Outcome, Reason, Sync, lane_q
from partners.models.batch_queries import OF_STEPS, BatchQuerySet
from partners.queue import budget, compensation, split, supersede, tally
from partners.queue.collect import Request

logger = logging.getLogger(__name__)
CRASHES_BEFORE_BISECT = 3
CRASHES_OF_ONE = 6
"""Crashes until one person is errored. After the first two, the batch is sent all alone."""
MAX_EXTENSION = timedelta(hours=24)
"""How much daily limits of a partner may extend a deadline."""
INTERNAL = "internal"
"""The code of batches that are errored because of a fault of this installation."""


def still_leased(request: Request) -> list[Batch]:
    """Lock and return the batches still leased to the request; none once the lease has ended."""
    return list(Batch.objects.leased_to(request.lease).for_update())


def finish(
    batches: Sequence[Batch],
    state: Outcome,
    *,
    now: datetime,
    code: str = "",
    request_id: str = "",
    out_of: Outcome = Outcome.PENDING,
) -> None:
    """End locked batches, inside the caller's transaction: ``out_of`` -> ``state``."""
    with tally.atomic(now=now) as changes:
        for batch in batches:
            changes.shift(batch.sync_id, batch.n, to=state.value, out_of=out_of.value)
    Batch.objects.filter(pk__in=[batch.pk for batch in batches], state=out_of).update(
        state=state,
        lease="",
        lease_until=None,
        settled_at=now,
        last_code=code or "0",
        # Without a request id, that of the last error stays (see settle).
        **({"last_request_id": request_id} if request_id else {}),
    )
    split.release_second_halves(batches, state, now=now)
    lost_repeats = [
        batch.pk for batch in batches if batch.repeat_of_id and state == Outcome.ERRORED
    ]
    if lost_repeats:
        logger.error(
            "Repeats %s did not arrive (code %s): their audiences may hold or lack people.",
            lost_repeats,
            code,
        )


def mark_synced(
    batches: Sequence[Batch], *, now: datetime, code: str = "", request_id: str = ""
) -> None:
    """PENDING -> SYNCED. Adds that were discarded while in flight are taken back."""
    finish(batches, Outcome.SYNCED, now=now, code=code, request_id=request_id)
    compensation.take_back([batch for batch in batches if batch.cancel_requested], now=now)


def retry_or_error(
    request: Request,
    *,
    code: str,
    now: datetime,
    due_at: datetime | None,
    tried_at: datetime | None = None,
    is_attempt: bool = False,
    is_unclear: bool = False,
) -> None:
    """Put back the batches of a failed request, or error them at their deadline.

    They are due at ``due_at`` (None: after the back-off). A batch is errored only if it was tried
    (``tried_at``) at its deadline or later, so no clock that jumps errors an untried batch.
    ``is_attempt``: the back-off grows. ``is_unclear``: the request may have been applied.
    """
    tried_at = tried_at or now
    with tally.atomic(now=now):
        batches = still_leased(request)
        for batch in batches:
            batch.attempts += is_attempt
        expired = [batch for batch in batches if _is_expired(batch, tried_at)]
        Batch.objects.bulk_update(expired, ["attempts"])
        finish(expired, Outcome.ERRORED, now=now, code=code)
        others = [batch for batch in batches if batch not in expired]
        for batch in others:
            batch.last_code = code
            start_retry_window(batch, now=now)
        put_back(others, now=now, due_at=due_at, is_unclear=is_unclear)


def _is_expired(batch: Batch, tried_at: datetime) -> bool:
    if batch.cancel_requested or batch.moves_to_id is not None:
        return False  # the people of the batch are cancelled or moved instead
    return batch.deadline_at is not None and batch.deadline_at <= tried_at


def put_back(
    batches: Sequence[Batch], *, now: datetime, due_at: datetime | None, is_unclear: bool = False
) -> None:
    """End the lease of batches that stay PENDING, and save what the caller changed in them.

    People with a later, opposite operation are cancelled. Discarded batches are cancelled, and
    taken back if they may have arrived (``is_unclear``).
    """
    for batch in batches:
        next_try = due_at or now + timedelta(seconds=_backoff(batch.attempts))
        batch.due_at = min(next_try, batch.deadline_at or next_try)
        batch.lease, batch.lease_until, batch.crashes = "", None, 0
    fields = ["due_at", "lease", "lease_until", "attempts", "refusals", "sharing", "crashes"]
    Batch.objects.bulk_update(batches, [*fields, "first_failed_at", "deadline_at", "last_code"])
    supersede.cancel_superseded(batches, now=now)
    discarded = [batch.pk for batch in batches if batch.cancel_requested]
    if discarded:
        rows = Batch.objects.filter(pk__in=discarded)
        cancel(rows, Reason.DISCARDED, now=now, is_unclear=is_unclear)


def release_unsent(request: Request, *, now: datetime) -> None:
    """Put back a request that was not sent, due at once."""
    with tally.atomic(now=now):
        put_back(still_leased(request), now=now, due_at=now)


def narrow_sharing(
    request: Request, sharing: Batch.Sharing, *, now: datetime, is_unclear: bool = False
) -> None:
    """Put back a request, due at once; from now on its batches share requests with fewer others."""
    with tally.atomic(now=now):
        batches = still_leased(request)
        for batch in batches:
            batch.sharing = max(batch.sharing, sharing)
            batch.attempts += is_unclear
        put_back(batches, now=now, due_at=now, is_unclear=is_unclear)


def cancel(
    batches: BatchQuerySet, reason: Reason, *, now: datetime, is_unclear: bool = False
) -> int:
    """Waiting -> CANCELLED, inside the caller's transaction. Return how many people.

    Batches that may have arrived are taken back: those with an unclear answer now (``is_unclear``)
    or before (``attempts``).
    """
    ended = list(batches.waiting().for_update())
    compensation.take_back([batch for batch in ended if is_unclear or batch.attempts], now=now)
    finish(ended, Outcome.CANCELLED, now=now, code=reason.value)
    return sum(batch.n for batch in ended)


def cancel_discarded(*, now: datetime) -> None:
    """Cancel discarded batches that no worker has leased.

    The batch of a dead worker may have arrived. As `collect.reclaim` has counted the attempt,
    `cancel` takes the batch back.
    """
    for chunk in Batch.objects.discarded().chunks():
        with tally.atomic(now=now):
            cancel(chunk, Reason.DISCARDED, now=now)


def quarantine_crashing(*, now: datetime) -> None:
    """Halve batches that killed several workers, until the person with the bad data is alone.

    A few crashes error no person: workers are killed for other reasons too, such as a new release.
    """
    suspects = Batch.objects.waiting().filter(waits_for=None, crashes__gte=CRASHES_BEFORE_BISECT)
    if not suspects.exists():
        return
    with tally.atomic(now=now):
        for batch in list(suspects.for_update()):
            if batch.n > 1:
                split.bisect(batch, now=now, crashes=CRASHES_BEFORE_BISECT - 1)
            elif batch.repeat_of_id and split.cut_repeat(batch, now=now):
                continue  # a repeat has no people of its own (n is 0)
            elif batch.crashes >= CRASHES_OF_ONE:
                finish([batch], Outcome.ERRORED, now=now, code=INTERNAL)


def _backoff(attempts: int) -> float:
    """Return the seconds until the next try: 5, 10, 20 ... up to half an hour, with jitter."""
    times = settings.SYNC
    seconds: float = min(times.backoff_max, times.backoff_base * 2 ** min(max(attempts - 1, 0), 20))
    return seconds * random.uniform(0.8, 1.0)  # noqa: S311  # spreads retries, guards no secret


def retry_window(purpose: str) -> timedelta:
    """Return how long people are tried after the first failure.

    Removals for an erasure, a consent or a misread address are tried much longer than those of
    steps: after they are given up, no later operation removes these people.
    """
    times = settings.SYNC
    return timedelta(seconds=times.deadline if purpose in OF_STEPS else times.erasure_deadline)


def start_retry_window(batch: Batch, *, now: datetime) -> None:
    """Set the deadline of a batch at its first failure. The caller saves it."""
    # A first failure in the future was written by a wrong clock.
    if batch.first_failed_at is None or batch.first_failed_at > now:
        batch.first_failed_at = now
        batch.deadline_at = now + retry_window(batch.sync.purpose)


def start_retry_windows(batches: BatchQuerySet, *, now: datetime) -> None:
    """Set the deadline of locked batches that have none."""
    for purpose in Sync.Purpose.values:
        without_window = batches.filter(sync__purpose=purpose, first_failed_at=None)
        without_window.update(first_failed_at=now, deadline_at=now + retry_window(purpose))


def extend_deadlines(limit: budget.Limit, seconds: float) -> None:
    """Extend deadlines by the time lost to a daily limit, in groups that have chosen this."""
    longest = timedelta(seconds=settings.SYNC.deadline) + MAX_EXTENSION
    pending = Batch.objects.pending().filter(
        deadline_at__lt=F("first_failed_at") + longest,
        ad_account__connection__app_group__quota_stops_clock=True,
    )
    if limit.lane:
        pending = pending.filter(lane_q(limit.lane, "ad_account__"))
    for chunk in pending.chunks():
        # Each chunk has its own transaction, not that of `retry_or_error`, as it locks other
        # batches.
        with transaction.atomic():
            locked = Batch.objects.filter(pk__in=chunk.lock_ids())
            locked.update(deadline_at=F("deadline_at") + timedelta(seconds=seconds))
