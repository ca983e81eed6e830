"""The beat: a tick hook in front of django-q2's brokers, a heartbeat, and `wake`. Knows slots, not what runs in them.

django-q2 looks at its own schedules every 30 s only; its pusher asks the broker for work all the time. So the broker
answers with the beat that is due: one claim per slot, however many engines; handed over in memory, never stored.
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
from audiencesync.core.supervisor import PULSE_FILE

Packages = list[tuple[Any, Any]] | None

PULSE = "pulse"  # the name of the heartbeat's row; its slot is the time of the last one
PULSE_SECONDS = 5.0
WAKE_SECONDS = 0.3
WAITING_ENOUGH = 10  # alarms already queued; one more would tell nothing new
WRONG_CLOCK_MS = 600_000  # a slot so far ahead was written by a wrong clock
TROUBLE_PAUSE = 1.0

logger = logging.getLogger(__name__)
_woken_at: dict[str, float] = {}


def slot_at(now: float, seconds: float) -> int:
    """The start of the slot that ``now`` lies in: milliseconds since 1970, the same for every engine, without drift."""
    period = max(1, int(seconds * 1000))
    return int(now * 1000) // period * period


def claim(name: str, slot: int) -> bool:
    """Take a slot. True for exactly one caller: the row moves only forward, by one conditional UPDATE."""
    return _move(name, Q(slot__lt=slot) | Q(slot__gt=slot + WRONG_CLOCK_MS), slot)


@contextmanager
def alone(name: str, seconds: float) -> Iterator[bool]:
    """Whether nobody is at this work. Then nobody else begins it before the end, or ``seconds`` after a death."""
    now = int(time.time() * 1000)
    until = now + int(seconds * 1000)
    is_mine = _move(name, Q(slot__lte=now) | Q(slot__gt=until + WRONG_CLOCK_MS), until)
    try:
        yield is_mine
    finally:
        if is_mine:
            BeatSlot.objects.filter(pk=name, slot=until).update(slot=now)


def _move(name: str, is_free: Q, slot: int) -> bool:
    if BeatSlot.objects.filter(is_free, pk=name).update(slot=slot):
        return True
    _row, created = BeatSlot.objects.get_or_create(pk=name, defaults={"slot": slot})
    return created


class _Keep:
    """Stands in for a broker: keeps the signed package that `async_task` builds."""

    list_key = "beat"
    package: Any = None

    def enqueue(self, package: Any) -> str:
        self.package = package
        return "kept"


def _package(function: str) -> tuple[None, Any]:
    """A task for ``function`` as the pusher takes it. Without an acknowledgement id it is never delivered again."""
    keep = _Keep()
    async_task(function, save=False, broker=keep)
    return None, keep.package


class Ticker:
    """What one pusher process remembers: the slots it has seen, and whether the database or Redis is away."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.away: set[str] = set()

    def dequeue(self, pull: Callable[[], Packages]) -> Packages:
        """The beats that are due, else what ``pull`` finds. Never raises for a database or Redis that is away."""
        try:
            if found := self.due(time.time()):
                return found
            found = pull()
        except (db.Error, redis.RedisError) as error:
            self._note(error)
            time.sleep(TROUBLE_PAUSE)
            return None
        self._answers("Redis")
        return found

    def due(self, now: float) -> Packages:
        """Claim and pack every slot that has begun. The heartbeat is each engine's own and needs no database."""
        due = (
            [_package("audiencesync.core.beat.pulse")]
            if self.begins(PULSE, slot_at(now, PULSE_SECONDS))
            else []
        )
        for name, (seconds, function) in settings.BEATS.items():
            if self._wins(name, slot_at(now, seconds)):
                due.append(_package(function))
        return due

    def pause(self, now: float) -> float:
        """Seconds until the next slot begins, at most one: how long a pull may block."""
        periods: list[float] = [
            PULSE_SECONDS,
            *(seconds for seconds, _function in settings.BEATS.values()),
        ]
        return min(1.0, *(slot_at(now, period) / 1000 + period - now + 0.01 for period in periods))

    def begins(self, name: str, slot: int) -> bool:
        """Whether this process sees the slot for the first time."""
        if self.seen.get(name) == slot:
            return False
        self.seen[name] = slot
        return True

    def _wins(self, name: str, slot: int) -> bool:
        if self.seen.get(name) == slot:
            return False
        try:
            db.close_old_connections()
            won = claim(name, slot)
        except db.Error as error:
            self._note(error)
            return False
        self.seen[name] = slot
        self._answers("the database")
        return won

    def finish(self, mark: Callable[[], object]) -> None:
        """Mark a task as done with ``mark``; a task that cannot be marked comes again, which does no harm.

        Never raises for a database that is away: a monitor that dies of it tells thirty lines, each time anew.
        """
        try:
            mark()
        except db.Error as error:
            self._note(error)
            return
        self._answers("the database")

    def _note(self, error: Exception) -> None:
        """One line per incident, and a fresh connection for the next try."""
        who = "the database" if isinstance(error, db.Error) else "Redis"
        if who not in self.away:
            logger.warning("The beat waits: %s does not answer (%s).", who, type(error).__name__)
        self.away.add(who)
        db.close_old_connections()

    def _answers(self, who: str) -> None:
        if who in self.away:
            logger.warning("The beat goes on: %s answers again.", who)
            self.away.remove(who)


class TickOrm(ORM):
    """The queue in the database (one machine, or several with PostgreSQL)."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self.ticker = Ticker()

    def dequeue(self) -> Packages:
        return self.ticker.dequeue(super().dequeue)

    def acknowledge(self, task_id: Any) -> None:
        """In the monitor: the task is over."""
        self.ticker.finish(lambda: super(TickOrm, self).acknowledge(task_id))

    def fail(self, task_id: Any) -> None:
        """In the pusher: the task cannot be read."""
        self.ticker.finish(lambda: super(TickOrm, self).fail(task_id))


class TickRedis(Redis):
    """The queue in Redis. Its pop blocks no longer than to the next slot."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self.ticker = Ticker()

    def dequeue(self) -> Packages:
        return self.ticker.dequeue(self._pop)

    def _pop(self) -> Packages:
        task = self.connection.blpop(self.list_key, self.ticker.pause(time.time()))
        return [(None, task[1])] if task else None


_monitor = Ticker()


def pulse() -> None:
    """The heartbeat's task: does nothing but travel from pusher to worker to monitor."""


@receiver(pre_execute)
def _name_the_lines(task: dict[str, Any], **_kwargs: Any) -> None:
    """In a worker: what a task logs belongs together, as the lines of a request do."""
    logs.request_id.set(task["id"])


@receiver(post_execute)
def _beat_passed(**_kwargs: Any) -> None:
    """In the monitor: a task came through, so the engine lives. Tells the supervisor (file) and the web (row)."""
    try:
        if path := os.environ.get(PULSE_FILE):
            Path(path).touch()
        if _monitor.begins(PULSE, slot := slot_at(time.time(), PULSE_SECONDS)):
            claim(PULSE, slot)
    except (OSError, db.Error) as error:
        logger.warning("The heartbeat could not be written (%s).", type(error).__name__)
        db.close_old_connections()


def last_pulse() -> datetime | None:
    """When a task last passed through any engine, to about five seconds; None before the first."""
    slot = BeatSlot.objects.filter(pk=PULSE).values_list("slot", flat=True).first()
    return None if slot is None else datetime.fromtimestamp(slot / 1000, UTC)


def wake(function: str) -> None:
    """Ask an engine to call ``function`` (dotted name) as soon as the transaction is through. An alarm, not a promise.

    Never raises, and asks at most once per 0.3 s and process: whatever gets lost here, the next beat finds.
    """
    transaction.on_commit(lambda: _ring(function))


def _ring(function: str) -> None:
    now = time.monotonic()
    if now - _woken_at.get(function, -WAKE_SECONDS) < WAKE_SECONDS:
        return
    _woken_at[function] = now
    try:
        broker = get_broker()
        if broker.queue_size() < WAITING_ENOUGH:
            async_task(function, save=False, broker=broker)
    except Exception:  # whatever hinders an alarm must not hinder the work that asked for it
        logger.exception("The engine could not be woken; the next beat does it.")
