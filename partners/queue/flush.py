"""One run of the queue: lease batches, build requests, send them in threads, settle answers."""

import secrets
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audiencesync.core.beat import wake
from audiencesync.core.crypto import CannotOpen
from partners.models import Batch, Outcome
from partners.models.batch_queries import BatchQuerySet
from partners.queue import (
    budget,
    collect,
    move,
    park,
    revalidate,
    sealed,
    settle,
    tally,
    transitions,
)
from partners.queue.collect import Request
from partners.queue.push import NeedsRevalidation, Parcel, PushAnswer, TooManyRows, pack, send

PLAN_AT_ONCE = 8
RESERVE = 4
"""A single lane leaves this many threads free; of many lanes each may use this many."""
LEASE_TOLERANCE = 0.05
"""Seconds after its booked time that a request may still be leased and built."""
SEND_TOLERANCE = 1.0
"""Seconds after its booked time that a request may still be sent."""
TASK = "partners.queue.flush.beat"


def beat() -> None:
    """Run the queue once, as the task of the beat. Ask for another run if work is left."""
    now = timezone.now()
    collect.reclaim(now=now)
    transitions.cancel_discarded(now=now)
    is_more_to_move = move.move_marked(now=now, seconds=settings.SYNC.flush_seconds / 2)
    transitions.quarantine(now=now)
    park.end_lapsed_swaps(now=now)
    expire_blocked(now=now)
    if Flush(seconds=settings.SYNC.flush_seconds).run() or is_more_to_move:
        wake(TASK)


def expire_blocked(*, now: datetime) -> None:
    """Start the retry window of newly blocked batches; set those past their deadline to errored."""
    pending = Batch.objects.waiting().filter(moves_to=None).not_paused().not_held()
    blocked = pending.blocked(now)
    for some in blocked.filter(first_failed_at=None).chunks():
        with transaction.atomic():
            mine = Batch.objects.filter(pk__in=some.lock())
            transitions.start_retry_windows(mine, now=now)
    with tally.gathered(now=now):
        _end(blocked.unreachable().filter(deadline_at__lte=now), code="disconnected", now=now)
        _end(pending.filter(sealed.is_hopeless(now=now)), code=sealed.CODE, now=now)


def _end(batches: BatchQuerySet, *, code: str, now: datetime) -> None:
    """Set up to 1,000 of these batches to errored, inside the caller's transaction."""
    over = list(batches.locked()[:1000])
    if over:
        transitions.finish(over, Outcome.ERRORED, now=now, code=code)


class Flush:
    """Send what is due for a bounded time. Only the thread that calls ``run`` uses the database."""

    def __init__(self, *, seconds: float) -> None:
        self.ends_at = time.monotonic() + seconds
        self.lease = secrets.token_hex(16)
        self.in_flight: dict[Future[PushAnswer], Request] = {}
        self.held: set[str] = set()  # lanes that this run has leased
        self.slowed: set[str] = set()  # lanes that the partner has throttled
        # Connections with tokens that the keys of this machine do not open; None: not read yet.
        self.sealed: set[int] | None = None
        self.threads = settings.SYNC.threads

    def run(self) -> bool:
        """Flush until no batch is due or the time is over. Return whether work is left."""
        try:
            with ThreadPoolExecutor(self.threads) as pool:
                return self._drain(pool)
        finally:
            collect.release_lanes(self.lease)

    def _drain(self, pool: ThreadPoolExecutor) -> bool:
        try:
            while time.monotonic() < self.ends_at:
                sent = sum(self._serve(lane, pool) for lane in self._lanes())
                if not sent and not self.in_flight:
                    return False
                self._settle(block=not sent or len(self.in_flight) >= self.threads)
        finally:
            while self.in_flight:
                self._settle(block=True)
        return Batch.objects.due(timezone.now()).exclude(self._is_sealed()).exists()

    def _lanes(self) -> list[str]:
        """Return the lanes with work that this run holds now."""
        now = timezone.now()
        slowed = budget.throttled_lanes()
        self.slowed = set(slowed)
        throttled = {lane for lane, is_parked in slowed.items() if is_parked}
        if throttled:
            throttled -= collect.overdue(throttled, now=now)
        found = [lane for lane in (*self.held, *self._open_lanes(now=now)) if lane not in throttled]
        mine = [
            lane for lane in dict.fromkeys(found) if collect.hold(lane, lease=self.lease, now=now)
        ]
        self.held.update(mine)
        return mine

    def _open_lanes(self, *, now: datetime) -> list[str]:
        """Return the free lanes with work and a token that this machine can open."""
        lanes = collect.lanes(now=now, skip=self._is_sealed())
        if lanes and self.sealed is None:
            self.sealed = sealed.find_sealed(lanes, now=now)
            if self.sealed:
                lanes = collect.lanes(now=now, skip=self._is_sealed())
        return lanes

    def _is_sealed(self) -> Q:
        return Q(ad_account__connection__in=self.sealed or ())

    def _serve(self, lane: str, pool: ThreadPoolExecutor) -> int:
        """Send some requests of one lane; one at a time while a parked part of it is probed."""
        requests = self._planned(lane)
        if not requests:
            return 0
        waits = self._book(lane, requests)
        if not waits:
            now = timezone.now()
            requests = [request for request in requests if request.is_last_try(now=now)]
            waits = self._book_last(lane, requests) if requests else []
        booked_at = time.monotonic()
        posts = zip(requests, waits, strict=False)
        return sum(self._post(request, pool, at=booked_at + wait) for request, wait in posts)

    def _planned(self, lane: str) -> list[Request]:
        """Return the requests of a lane that may be sent beside those in flight."""
        mine = [request for request in self.in_flight.values() if request.ad_account.lane == lane]
        share = min(self.threads - RESERVE, max(RESERVE, self.threads // max(1, len(self.held))))
        most = min(PLAN_AT_ONCE, share - len(mine), self.threads - len(self.in_flight))
        if most <= 0 or any(request.is_probe for request in mine) or self._has_suspect():
            return []
        planned = collect.plan(lane, most=most, now=timezone.now(), skip=self._is_sealed())
        requests = [request for request in planned if not request.is_suspect]
        if not (requests or self.in_flight):
            requests = planned[:1]
        return [] if requests and mine and requests[0].is_probe else requests

    def _has_suspect(self) -> bool:
        return any(request.is_suspect for request in self.in_flight.values())

    def _book(self, lane: str, requests: list[Request]) -> list[float]:
        """Return the seconds to wait for as many of the requests as may be sent.

        A lane that was slowed down gets one.
        """
        limit = budget.limit_of(collect.partner_of(requests[0].ad_account), lane)
        own = budget.Limit(budget.lane_key(lane), limit.rate)
        left = max(0.0, self.ends_at - time.monotonic())
        if lane not in self.slowed or limit.key == own.key:
            return budget.book_many(limit, len(requests), within=left)
        return (
            budget.book_many(limit, 1, within=left) if budget.book_many(own, 1, within=left) else []
        )

    def _book_last(self, lane: str, requests: list[Request]) -> list[float]:
        """Return the seconds to wait for the last tries of requests, despite a throttle.

        No person is errored untried: each is tried once, at a tenth of the pace.
        """
        limit = budget.limit_of(collect.partner_of(requests[0].ad_account), lane)
        last = budget.Limit(f"last:{limit.key}", limit.rate / 10)
        left = max(0.0, self.ends_at - time.monotonic())
        return budget.book_many(last, len(requests), within=left)

    def _post(self, request: Request, pool: ThreadPoolExecutor, *, at: float) -> bool:
        """Lease and build one request, and let a thread send it ``at`` a monotonic time.

        Return whether something was done, or is to be done at once.
        """
        if at > self.ends_at:
            return False
        # Its time has passed, because a request before it took long or the machine stood still.
        # Several late requests at once would exceed the rate limit: it gets another time.
        if at < time.monotonic() - LEASE_TOLERANCE:
            return True
        now = timezone.now()
        # Sent by then, a request is answered while the lease holds; an eighth of the slack is left
        # for `settle`.
        slack = (settings.SYNC.lease - settings.SYNC.request_deadline) * 7 / 8
        post_by = min(time.monotonic() + slack, self.ends_at)
        if not collect.take(request, now=now):
            return False
        try:
            parcel = self._pack(request, post_by=post_by, now=now)
        except CannotOpen:  # the token was replaced after `find_sealed` had checked it
            sealed.log_missing_key(request.connection.pk)
            self.sealed = {*(self.sealed or ()), request.connection.pk}
            transitions.release(request, now=now)
            return False
        if parcel is not None:
            parcel.post_by = min(post_by, max(at, time.monotonic()) + SEND_TOLERANCE)
            self.in_flight[pool.submit(copy_context().run, send, parcel, at=at)] = request
        return True

    def _pack(self, request: Request, *, post_by: float, now: datetime) -> Parcel | None:
        """Build the body, or put the request back (None) because its batches must change first."""
        preset = collect.preset_of(request.ad_account)
        most_rows = collect.most_people(preset, request.ad_account, len(request.kinds))
        try:
            return pack(request, post_by=post_by, most_rows=most_rows)
        except NeedsRevalidation as trouble:
            revalidate.revalidate(request, trouble, most_rows=most_rows, now=now)
        except TooManyRows:
            transitions.narrow(request, Batch.Sharing.ALONE, now=now)
        return None

    def _settle(self, *, block: bool) -> None:
        """Settle the answers that came back; with ``block``, wait for at least one."""
        if not self.in_flight:
            return
        done, _ = wait(self.in_flight, timeout=0.25 if block else 0, return_when=FIRST_COMPLETED)
        for future in done:
            self.in_flight.pop(future)
            settle.settle(future.result(), now=timezone.now())
