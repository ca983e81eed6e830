"""One run of the sync queue: lanes take turns, bodies are built here, HTTP happens in threads, answers are settled here."""

import logging
import secrets
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from audiencesync.core import beat as clock
from audiencesync.core.crypto import CannotOpen
from partners.models import Batch, Outcome, Sync
from partners.queue import budget, collect, move, sealed, settle, tally, tidy
from partners.queue.collect import Request
from partners.queue.push import Answer, Crowded, Incomplete, pack, send

logger = logging.getLogger(__name__)
PLAN_AT_ONCE = 8
RESERVE = 4
"""Threads that one lane leaves for others, and that each of many lanes has."""
TARDY = 0.05
"""Seconds after its time that a request may still be leased and built."""
LATEST = 1.0
"""Seconds after its time that a request may still be sent."""
TASK = "partners.queue.flush.beat"


def beat() -> None:
    """The task of the alarm clock: reclaim, move, start clocks, flush; asks for another run if work is left."""
    now = timezone.now()
    collect.reclaim(now=now)
    settle.cancel_discarded(now=now)
    is_more_to_move = move.go_on(now=now, seconds=settings.SYNC["flush_seconds"] / 2)
    settle.quarantine(now=now)
    watch_blocked(now=now)
    if Flush(seconds=settings.SYNC["flush_seconds"]).run() or is_more_to_move:
        clock.wake(TASK)


def watch_blocked(*, now: datetime) -> None:
    """People behind a barred way: their 13 hours run; where there is no token for a last try, they end at the deadline."""
    waiting = Batch.objects.filter(state=Outcome.PENDING, lease="", moves_to=None).exclude(
        collect.PAUSED
    )
    barred = waiting.filter(collect.blocked_ways(now=now))
    fresh = barred.filter(first_failed_at=None)
    for some in collect.stretches(fresh):
        with transaction.atomic():
            mine = Batch.objects.filter(pk__in=collect.in_order(some))
            for purpose in Sync.Purpose.values:
                deadline_at = now + settle.patience(purpose)
                mine.filter(sync__purpose=purpose).update(
                    first_failed_at=now, deadline_at=deadline_at
                )
    with tally.gathered(now=now):
        _end(barred.filter(collect.no_way(), deadline_at__lte=now), code="disconnected", now=now)
        _end(waiting.filter(sealed.hopeless(now=now)), code=sealed.CODE, now=now)


def _end(hopeless: QuerySet[Batch], *, code: str, now: datetime) -> None:
    """A stretch of those who could not even be tried, inside the caller's transaction."""
    over = list(hopeless.select_for_update(of=("self",)).order_by("pk")[:1000])
    if over:
        settle.finish(over, Outcome.ERRORED, now=now, code=code)


class Flush:
    """Sends what is due for a bounded time. All database work is done by the thread that calls ``run``."""

    def __init__(self, *, seconds: float) -> None:
        self.ends_at = time.monotonic() + seconds
        self.lease = secrets.token_hex(16)
        self.under_way: dict[Future[Answer], Request] = {}
        self.held: set[str] = set()
        self.slowed: set[str] = set()
        self.shut: set[int] | None = (
            None  # connections whose tokens do not open here; None: not looked yet
        )
        self.threads = int(settings.SYNC["threads"])

    def run(self) -> bool:
        """Flush until nothing is due or the time is over; whether work is left. Gives the lanes back in any case."""
        try:
            with ThreadPoolExecutor(self.threads) as pool:
                return self._drain(pool)
        finally:
            collect.let_go(self.lease)

    def _drain(self, pool: ThreadPoolExecutor) -> bool:
        try:
            while time.monotonic() < self.ends_at:
                sent = sum(self._serve(lane, pool) for lane in self._lanes())
                if not sent and not self.under_way:
                    return False
                self._settle(block=not sent or len(self.under_way) >= self.threads)
        finally:
            while self.under_way:
                self._settle(block=True)
        return collect.due(now=timezone.now()).exclude(self._is_shut()).exists()

    def _lanes(self) -> list[str]:
        """The lanes with work that are ours for this turn."""
        now = timezone.now()
        slowed = budget.throttled_lanes()
        self.slowed = set(slowed)
        left_alone = {lane for lane, is_parked in slowed.items() if is_parked}
        if left_alone:
            left_alone -= collect.overdue(left_alone, now=now)
        found = [
            lane for lane in (*self.held, *self._open_lanes(now=now)) if lane not in left_alone
        ]
        mine = [
            lane for lane in dict.fromkeys(found) if collect.hold(lane, lease=self.lease, now=now)
        ]
        self.held.update(mine)
        return mine

    def _open_lanes(self, *, now: datetime) -> list[str]:
        """The free lanes with work that this machine's keys can send. A lane it cannot serve is left to others."""
        lanes = collect.lanes(now=now, but=self._is_shut())
        if lanes and self.shut is None:
            self.shut = sealed.shut_here(lanes, now=now)
            if self.shut:
                lanes = collect.lanes(now=now, but=self._is_shut())
        return lanes

    def _is_shut(self) -> Q:
        return Q(ad_account__connection__in=self.shut or ())

    def _serve(self, lane: str, pool: ThreadPoolExecutor) -> int:
        """Send some requests of one lane; answers how many. A suspected way gets one at a time."""
        mine = [
            request for request in self.under_way.values() if request.ad_account.remote_id == lane
        ]
        share = min(self.threads - RESERVE, max(RESERVE, self.threads // max(1, len(self.held))))
        most = min(PLAN_AT_ONCE, share - len(mine), self.threads - len(self.under_way))
        if most <= 0 or any(request.is_probe for request in mine) or self._has_suspect():
            return 0
        now = timezone.now()
        planned = collect.plan(lane, most=most, now=now, but=self._is_shut())
        requests = [request for request in planned if not request.is_suspect]
        if not (requests or self.under_way):
            requests = planned[:1]
        if not requests or (mine and requests[0].is_probe):
            return 0
        waits = self._book(lane, requests)
        if not waits and (
            requests := [request for request in requests if request.is_last_try(now=now)]
        ):
            waits = self._book_last(lane, requests)
        booked_at = time.monotonic()
        posts = zip(requests, waits, strict=False)
        return sum(self._post(request, pool, at=booked_at + wait) for request, wait in posts)

    def _has_suspect(self) -> bool:
        """Whether what may kill this process is under way in it: then nothing else should be."""
        return any(request.is_suspect for request in self.under_way.values())

    def _book(self, lane: str, requests: list[Request]) -> list[float]:
        """The seconds to wait for each request, or for as many as may be sent. A lane that was slowed down gets one."""
        limit = budget.limit_of(collect.preset_of(requests[0].ad_account), lane)
        own = budget.Limit(f"lane:{lane}", limit.rate)
        left = max(0.0, self.ends_at - time.monotonic())
        if lane not in self.slowed or limit.key == own.key:
            return budget.book_many(limit, len(requests), within=left)
        return (
            budget.book_many(limit, 1, within=left) if budget.book_many(own, 1, within=left) else []
        )

    def _book_last(self, lane: str, requests: list[Request]) -> list[float]:
        """The seconds to wait for requests whose people's time is over while the partner asks us to slow down: nobody
        becomes errored untried, and each is tried once, at a tenth of the pace."""
        limit = budget.limit_of(collect.preset_of(requests[0].ad_account), lane)
        last = budget.Limit(f"last:{limit.key}", limit.rate / 10)
        return budget.book_many(
            last, len(requests), within=max(0.0, self.ends_at - time.monotonic())
        )

    def _post(self, request: Request, pool: ThreadPoolExecutor, *, at: float) -> bool:
        """Lease, build and hand one request to a thread, which sends it ``at`` a monotonic time; whether it is under way.

        If its time has passed meanwhile, because a lease before it took long or the machine stood still, it is not sent:
        with others like it there would be too many at once. Its people get a new time; so do they after this run's end.
        """
        if not time.monotonic() - TARDY <= at <= self.ends_at:
            return False
        now = timezone.now()
        slack = (settings.SYNC["lease"] - settings.SYNC["request_deadline"]) * 7 / 8
        post_by = min(time.monotonic() + slack, self.ends_at)
        if not collect.take(request, now=now):
            return False
        preset = collect.preset_of(request.ad_account)
        most_rows = collect.most_people(preset, request.ad_account, len(request.kinds))
        try:
            parcel = pack(request, post_by=post_by, most_rows=most_rows)
        except Incomplete as trouble:
            tidy.tidy(request, trouble, most_rows=most_rows, now=now)
            return True
        except Crowded:
            settle.narrow(request, Batch.Sharing.ALONE, now=now)
            return True
        except CannotOpen:  # it was another one when this run looked
            sealed.complain(request.connection.pk)
            self.shut = {*(self.shut or ()), request.connection.pk}
            with tally.gathered(now=now):
                settle.put_back(settle.mine(request), now=now, due_at=now)
            return False
        parcel.post_by = min(post_by, max(at, time.monotonic()) + LATEST)
        self.under_way[pool.submit(copy_context().run, send, parcel, at=at)] = request
        return True

    def _settle(self, *, block: bool) -> None:
        """Settle what has come back; with ``block``, wait for at least one answer."""
        if not self.under_way:
            return
        done, _ = wait(self.under_way, timeout=0.25 if block else 0, return_when=FIRST_COMPLETED)
        for future in done:
            self.under_way.pop(future)
            settle.settle(future.result(), now=timezone.now())
