"""One run of the queue: lease batches, build requests, send them in threads, settle answers.

A lane is the queue of one remote ad account. A throttled lane was answered with a rate limit: it is
parked for a time (nothing is sent), then its requests are tried one at a time.

A probe is a single request that tries a connection, ad account or audience that another refusal has
parked. A suspect is a request that may crash its worker.
"""

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
    missing_keys,
    move,
    park,
    revalidate,
    settle,
    tally,
    transitions,
)
from partners.queue.collect import Request
from partners.queue.push import NeedsRevalidation, Parcel, PushAnswer, TooManyRows, pack, send

MAX_REQUESTS_PER_PLAN = 8
"""Requests of a lane that are planned together, before other lanes have their turn."""
FREE_THREADS = 4
"""Threads that a single lane leaves to lanes that become due later, if there are more."""
MIN_THREADS_PER_LANE = 4
"""Threads that a lane may use, however many lanes this run has leased."""
LEASE_TOLERANCE = 0.05
"""Seconds after its booked time that a request may still be leased and built."""
SEND_TOLERANCE = 1.0
"""Seconds after its booked time that a request may still be sent."""
TASK = "partners.queue.flush.beat"


def beat() -> None:
    """Run the queue once, as a periodic job. Ask for another run if work is left."""
    now = timezone.now()
    collect.reclaim(now=now)
    transitions.cancel_discarded(now=now)
    has_more_to_move = move.move_marked(now=now, seconds=settings.SYNC.flush_seconds / 2)
    transitions.quarantine_crashing(now=now)
    park.end_lapsed_swaps(now=now)
    age_blocked(now=now)
    if Flush(seconds=settings.SYNC.flush_seconds).run() or has_more_to_move:
        wake(TASK)


def age_blocked(*, now: datetime) -> None:
    """Start the retry window of newly blocked batches. Error batches at their deadline.

    Only batches that cannot be tried are errored here: those behind a parked row are tried once
    more at their deadline, like all others.
    """
    waiting = Batch.objects.waiting().filter(moves_to=None).not_paused().not_in_swap()
    blocked = waiting.blocked(now)
    for chunk in blocked.filter(first_failed_at=None).chunks():
        with transaction.atomic():
            locked = Batch.objects.filter(pk__in=chunk.lock_ids())
            transitions.start_retry_windows(locked, now=now)
    with tally.atomic(now=now):
        _error(blocked.unreachable().filter(deadline_at__lte=now), code="disconnected", now=now)
        _error(waiting.filter(missing_keys.expired_q(now=now)), code=missing_keys.CODE, now=now)


def _error(batches: BatchQuerySet, *, code: str, now: datetime) -> None:
    """Set up to 1,000 of these batches to errored, inside the caller's transaction."""
    locked = list(batches.for_update()[:1000])
    if locked:
        transitions.finish(locked, Outcome.ERRORED, now=now, code=code)


class Flush:
    """Send what is due for a bounded time. Only the thread that calls ``run`` uses the database."""

    def __init__(self, *, seconds: float) -> None:
        self.ends_at = time.monotonic() + seconds
        self.lease = secrets.token_hex(16)
        self.in_flight: dict[Future[PushAnswer], Request] = {}
        self.leased_lanes: set[str] = set()
        self.throttled_lanes: set[str] = set()
        # Connections whose token this machine cannot decrypt; None: not tried yet.
        self.undecryptable: set[int] | None = None
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
                progress = sum(self._serve(lane, pool) for lane in self._lease_lanes())
                if not progress and not self.in_flight:
                    return False
                self._settle(block=not progress or len(self.in_flight) >= self.threads)
        finally:
            while self.in_flight:
                self._settle(block=True)
        return Batch.objects.due(timezone.now()).exclude(self._undecryptable_q()).exists()

    def _lease_lanes(self) -> list[str]:
        """Lease lanes with work, renew the leases of this run, and return the lanes to serve."""
        now = timezone.now()
        throttled = budget.throttled_lanes()
        self.throttled_lanes = set(throttled)
        skipped = {lane for lane, is_parked in throttled.items() if is_parked}
        if skipped:
            # A last try is sent in spite of the throttle (`_book_last`).
            skipped -= collect.lanes_with_last_try(skipped, now=now)
        lanes = []
        for lane in dict.fromkeys([*self.leased_lanes, *self._free_lanes(now=now)]):
            if lane not in skipped and collect.lease_lane(lane, lease=self.lease, now=now):
                lanes.append(lane)
        self.leased_lanes.update(lanes)
        return lanes

    def _free_lanes(self, *, now: datetime) -> list[str]:
        """Return the unleased lanes with work and a token that this machine can decrypt."""
        lanes = collect.free_lanes(now=now, skip=self._undecryptable_q())
        if lanes and self.undecryptable is None:
            self.undecryptable = missing_keys.find_connections(lanes, now=now)
            if self.undecryptable:
                lanes = collect.free_lanes(now=now, skip=self._undecryptable_q())
        return lanes

    def _undecryptable_q(self) -> Q:
        return Q(ad_account__connection__in=self.undecryptable or ())

    def _serve(self, lane: str, pool: ThreadPoolExecutor) -> int:
        """Send some requests of a lane. Return how many were sent or must be planned again."""
        requests = self._plan_requests(lane)
        if not requests:
            return 0
        waits = self._book(lane, requests)
        if not waits:
            now = timezone.now()
            requests = [request for request in requests if request.is_last_try(now=now)]
            waits = self._book_last(lane, requests) if requests else []
        booked_at = time.monotonic()
        # Fewer sends may have been booked than were asked for: the other requests stay due.
        bookings = zip(requests, waits, strict=False)
        return sum(self._submit(request, pool, at=booked_at + wait) for request, wait in bookings)

    def _plan_requests(self, lane: str) -> list[Request]:
        """Return the requests of a lane that may be sent beside those in flight."""
        sending = [
            request for request in self.in_flight.values() if request.ad_account.lane == lane
        ]
        share = max(MIN_THREADS_PER_LANE, self.threads // max(1, len(self.leased_lanes)))
        share = max(1, min(share, self.threads - FREE_THREADS))  # SYNC_THREADS may be 1
        n_free = self.threads - len(self.in_flight)
        n_more = min(MAX_REQUESTS_PER_PLAN, share - len(sending), n_free)
        if n_more <= 0 or any(request.is_probe for request in sending) or self._has_suspect():
            return []
        planned = collect.plan(lane, most=n_more, now=timezone.now(), skip=self._undecryptable_q())
        requests = [request for request in planned if not request.is_suspect]
        # A suspect may crash this process, so nothing else is in flight with it.
        if not (requests or self.in_flight):
            requests = planned[:1]
        # A probe waits until the other requests of the lane are answered.
        if requests and sending and requests[0].is_probe:
            return []
        return requests

    def _has_suspect(self) -> bool:
        return any(request.is_suspect for request in self.in_flight.values())

    def _book(self, lane: str, requests: list[Request]) -> list[float]:
        """Book sends, at most one for a throttled lane. Return the seconds to wait for each."""
        limit = budget.limit_of(collect.partner_of(requests[0].ad_account), lane)
        lane_limit = budget.Limit(budget.lane_key(lane), limit.rate)
        within = self._seconds_to_send()
        if lane not in self.throttled_lanes or limit.key == lane_limit.key:
            return budget.book_many(limit, len(requests), within=within)
        # The lane is throttled, and all lanes of the app share another limit: a request needs both.
        if not budget.book_many(lane_limit, 1, within=within):
            return []
        return budget.book_many(limit, 1, within=within)

    def _book_last(self, lane: str, requests: list[Request]) -> list[float]:
        """Book last tries, despite a throttle. Return the seconds to wait for each.

        Each person is tried at least once before the deadline errors them. These tries have their
        own rate limit, a tenth of the usual rate.
        """
        limit = budget.limit_of(collect.partner_of(requests[0].ad_account), lane)
        last_tries = budget.Limit(f"last:{limit.key}", limit.rate / 10)
        return budget.book_many(last_tries, len(requests), within=self._seconds_to_send())

    def _seconds_to_send(self) -> float:
        """Return within how many seconds a request that is leased now must be sent.

        The answer must come before the lease ends; an eighth of the rest is left for `settle`. No
        send is booked beyond this: it could not be used, and such bookings in each run would keep
        moving the next free time out of reach.
        """
        slack: float = (settings.SYNC.lease - settings.SYNC.request_deadline) * 7 / 8
        return max(0.0, min(slack, self.ends_at - time.monotonic()))

    def _submit(self, request: Request, pool: ThreadPoolExecutor, *, at: float) -> bool:
        """Lease and build one request, and let a thread send it at the monotonic time ``at``.

        Return whether the lane has made progress: False if the request has to wait, or was taken
        by another worker.
        """
        post_by = time.monotonic() + self._seconds_to_send()
        if at > post_by:
            return False
        # The booked time has passed, perhaps because the previous request took long. Several late
        # requests at once would exceed the rate limit, so this one is planned again.
        if at < time.monotonic() - LEASE_TOLERANCE:
            return True
        now = timezone.now()
        if not collect.lease_batches(request, now=now):
            return False
        try:
            parcel = self._pack(request, post_by=post_by, now=now)
        except CannotOpen:  # the token was replaced after `find_connections` had tried it
            missing_keys.log_missing_key(request.connection.pk)
            self.undecryptable = {*(self.undecryptable or ()), request.connection.pk}
            transitions.release_unsent(request, now=now)
            return False
        if parcel is not None:
            # Building took time: a request that cannot be sent soon after its time is put back.
            parcel.post_by = min(post_by, max(at, time.monotonic()) + SEND_TOLERANCE)
            self.in_flight[pool.submit(copy_context().run, send, parcel, at=at)] = request
        return True

    def _pack(self, request: Request, *, post_by: float, now: datetime) -> Parcel | None:
        """Build the body. Return None if batches had to change first: the request is put back."""
        preset = collect.preset_of(request.ad_account)
        most_rows = collect.max_people(preset, request.ad_account, len(request.kinds))
        try:
            return pack(request, post_by=post_by, most_rows=most_rows)
        except NeedsRevalidation as error:
            revalidate.revalidate(request, error, most_rows=most_rows, now=now)
        except TooManyRows:
            transitions.narrow_sharing(request, Batch.Sharing.ALONE, now=now)
        return None

    def _settle(self, *, block: bool) -> None:
        """Settle the answers that came back; with ``block``, wait up to 0.25 s for one."""
        if not self.in_flight:
            return
        done, _ = wait(self.in_flight, timeout=0.25 if block else 0, return_when=FIRST_COMPLETED)
        for future in done:
            self.in_flight.pop(future)
            settle.settle(future.result(), now=timezone.now())
