"""Calls the periodic jobs ("beats") of settings.BEATS through django-q2, and wakes them.

It also writes the heartbeat, by which supervisor and web see that an engine works: a task that
passes through all processes of a django-q2 cluster (pusher, worker, monitor).

Django-q2 reads its own schedules only every 30 s, but its pusher asks the broker for work all the
time. The brokers below therefore answer with the jobs whose time slot has begun. However many
engines run, each slot is claimed once; its task is handed over in memory and never stored. This
module does not know what the jobs do.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from django import db
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.dispatch import receiver
from django_q.brokers import get_broker
from django_q.brokers.orm import ORM
from django_q.brokers.redis_broker import Redis
from django_q.signals import post_execute, pre_execute
from django_q.tasks import async_task

from audiencesync.core import logs
from audiencesync.core.models import BeatSlot
from audiencesync.core.process.supervisor import HEARTBEAT_FILE_VARIABLE

Packages = list[tuple[Any, Any]] | None  # (acknowledgement id, signed task), as brokers return

HEARTBEAT = "pulse"  # key of the heartbeat's row in BeatSlot; its slot is the time of the last one
HEARTBEAT_SECONDS = 5.0
WAKE_SECONDS = 0.3  # `wake` queues a function this often at most
MAX_QUEUED = 10  # with so many tasks queued, another `wake` would change nothing
CLOCK_SKEW_MS = 600_000  # a slot this far in the future was written by a machine with a wrong clock
ERROR_PAUSE = 1.0  # seconds before the next attempt if a backend is down

logger = logging.getLogger(__name__)
_woken_at: dict[str, float] = {}  # dotted name -> when `wake` queued it last (monotonic)


def slot_at(now: float, seconds: float) -> int:
    """Return the start of the slot around ``now`` in ms since 1970, the same for every engine."""
    period = max(1, int(seconds * 1000))
    return int(now * 1000) // period * period


def claim(name: str, slot: int) -> bool:
    """Claim a slot. Return True for exactly one caller."""
    return _advance(name, Q(slot__lt=slot) | Q(slot__gt=slot + CLOCK_SKEW_MS), slot)


@contextmanager
def exclusive(name: str, seconds: float) -> Iterator[bool]:
    """Hold a lease on a job; yield False if another process holds it.

    The lease ends with the block, at the latest ``seconds`` after it began.
    """
    now = int(time.time() * 1000)
    until = now + int(seconds * 1000)
    is_held = _advance(name, Q(slot__lte=now) | Q(slot__gt=until + CLOCK_SKEW_MS), until)
    try:
        yield is_held
    finally:
        if is_held:
            BeatSlot.objects.filter(pk=name, slot=until).update(slot=now)


def _advance(name: str, free_q: Q, slot: int) -> bool:
    """Set the slot of a row if it is free, by one conditional UPDATE; return whether it was."""
    if BeatSlot.objects.filter(free_q, pk=name).update(slot=slot):
        return True
    _row, created = BeatSlot.objects.get_or_create(pk=name, defaults={"slot": slot})
    return created


class _CapturingBroker:
    """Keeps the signed package that `async_task` builds instead of queueing it."""

    list_key = "beat"
    package: Any = None

    def enqueue(self, package: Any) -> str:
        self.package = package
        return "captured"  # the id of the queued task; not used


def _package(function: str) -> tuple[None, Any]:
    """Return (acknowledgement id, task) as the pusher expects; without an id there is no
    redelivery.
    """
    broker = _CapturingBroker()
    async_task(function, save=False, broker=broker)
    return None, broker.package


class Ticker:
    """State of one process of a cluster: the slots it has seen, and the backends that are down."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.down: set[str] = set()

    def dequeue(self, pull: Callable[[], Packages]) -> Packages:
        """Return the jobs that are due, else the result of ``pull``, the broker's own method.

        Never raise if a backend is down.
        """
        try:
            if packages := self.due(time.time()):
                return packages
            packages = pull()
        except (db.Error, redis.RedisError) as error:
            self._note_failure(error)
            time.sleep(ERROR_PAUSE)
            return None
        self._note_answer("Redis")
        return packages

    def due(self, now: float) -> Packages:
        """Claim and package every job whose slot has begun."""
        # Every engine has its own heartbeat, which needs no claim and thus no database.
        packages = (
            [_package("audiencesync.core.beat.heartbeat")]
            if self.is_first_sight(HEARTBEAT, slot_at(now, HEARTBEAT_SECONDS))
            else []
        )
        for name, (seconds, function) in settings.BEATS.items():
            if self._claim(name, slot_at(now, seconds)):
                packages.append(_package(function))
        return packages

    def pause(self, now: float) -> float:
        """Return how many seconds a pull may block: until the next slot, at most one second."""
        periods: list[float] = [
            HEARTBEAT_SECONDS,
            *(seconds for seconds, _function in settings.BEATS.values()),
        ]
        # 0.01: a little after the slot has begun, not a little before.
        return min(1.0, *(slot_at(now, period) / 1000 + period - now + 0.01 for period in periods))

    def is_first_sight(self, name: str, slot: int) -> bool:
        """Return whether this process sees the slot for the first time, and remember it."""
        if self.seen.get(name) == slot:
            return False
        self.seen[name] = slot
        return True

    def _claim(self, name: str, slot: int) -> bool:
        """Claim a slot once. Return whether this engine got it; False if the database is down."""
        if self.seen.get(name) == slot:
            return False
        try:
            db.close_old_connections()
            is_claimed = claim(name, slot)
        except db.Error as error:
            self._note_failure(error)
            return False
        self.seen[name] = slot
        self._note_answer("the database")
        return is_claimed

    def finish(self, mark: Callable[[], object]) -> None:
        """Mark a task as done with ``mark``.

        A task that cannot be marked runs again without harm.
        """
        # An exception would end the monitor process with a long traceback, again after each
        # restart.
        try:
            mark()
        except db.Error as error:
            self._note_failure(error)
            return
        self._note_answer("the database")

    def _note_failure(self, error: Exception) -> None:
        """Log one line per incident, and reconnect for the next attempt."""
        backend = "the database" if isinstance(error, db.Error) else "Redis"
        if backend not in self.down:
            logger.warning(
                "The beat waits: %s does not answer (%s).", backend, type(error).__name__
            )
        self.down.add(backend)
        db.close_old_connections()

    def _note_answer(self, backend: str) -> None:
        if backend in self.down:
            logger.warning("The beat goes on: %s answers again.", backend)
            self.down.remove(backend)


class TickOrm(ORM):
    """Broker with the queue in the database (one machine, or several with PostgreSQL)."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self.ticker = Ticker()

    def dequeue(self) -> Packages:
        return self.ticker.dequeue(super().dequeue)

    def acknowledge(self, task_id: Any) -> None:
        """Called by the monitor when the task is over."""
        self.ticker.finish(lambda: super(TickOrm, self).acknowledge(task_id))

    def fail(self, task_id: Any) -> None:
        """Called by the pusher when the task cannot be read."""
        self.ticker.finish(lambda: super(TickOrm, self).fail(task_id))


class TickRedis(Redis):
    """Broker with the queue in Redis."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self.ticker = Ticker()

    def dequeue(self) -> Packages:
        return self.ticker.dequeue(self._pop)

    def _pop(self) -> Packages:
        task = self.connection.blpop(self.list_key, self.ticker.pause(time.time()))
        return [(None, task[1])] if task else None


_monitor = Ticker()  # in the monitor process it only remembers the slot of the heartbeat


def heartbeat() -> None:
    """Do nothing: the task only travels from pusher to worker to monitor."""


@receiver(pre_execute)
def _set_request_id(task: dict[str, Any], **_kwargs: Any) -> None:
    """In a worker: give all log lines of a task its id, as the lines of a request have one."""
    logs.request_id.set(task["id"])


@receiver(post_execute)
def _write_heartbeat(**_kwargs: Any) -> None:
    """In the monitor: a task came through; write it for the supervisor (file) and the web (row)."""
    try:
        if path := os.environ.get(HEARTBEAT_FILE_VARIABLE):
            Path(path).touch()
        if _monitor.is_first_sight(HEARTBEAT, slot := slot_at(time.time(), HEARTBEAT_SECONDS)):
            claim(HEARTBEAT, slot)
    except (OSError, db.Error) as error:
        logger.warning("The heartbeat could not be written (%s).", type(error).__name__)
        db.close_old_connections()


def last_heartbeat() -> datetime | None:
    """Return when a task last passed through any engine; None before the first heartbeat.

    The time is accurate to about five seconds.
    """
    slot = BeatSlot.objects.filter(pk=HEARTBEAT).values_list("slot", flat=True).first()
    return None if slot is None else datetime.fromtimestamp(slot / 1000, UTC)


def wake(function: str) -> None:
    """Ask an engine to call ``function`` (a dotted name) as soon as the transaction is committed.

    Never raises, and asks at most once per 0.3 s and process. A request that is lost costs only
    time: the next beat does the work.
    """
    try:
        transaction.on_commit(lambda: _queue(function))
    except db.Error:  # without a connection it is not known whether a transaction is open
        logger.exception("The engine could not be woken; the next beat does it.")


def wake_job(name: str) -> None:
    """Wake a job by its name in settings.BEATS, for callers that must not know its module."""
    _seconds, function = settings.BEATS[name]
    wake(function)


def _queue(function: str) -> None:
    now = time.monotonic()
    if now - _woken_at.get(function, -WAKE_SECONDS) < WAKE_SECONDS:
        return
    _woken_at[function] = now
    try:
        broker = get_broker()
        if broker.queue_size() < MAX_QUEUED:
            async_task(function, save=False, broker=broker)
    except Exception:  # a broker that is down must not fail the caller's work
        logger.exception("The engine could not be woken; the next beat does it.")
