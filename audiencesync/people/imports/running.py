"""Runs imports by the beat: a turn of a few seconds each, chunk by chunk, whoever dies.

A chunk is one transaction: its people, its rejected rows, and how far the import has come. So a killed import goes on
where it stopped, and its counts are exact. A lease keeps two workers from the same chunk.
"""

from __future__ import annotations

import logging
import secrets
import time
from datetime import datetime, timedelta

from django.db import DatabaseError, DataError, transaction
from django.db.models import F, Q
from django.utils import timezone

from audiencesync import beat as clock
from audiencesync.people.imports import uploads, writing
from audiencesync.people.imports.mapping import Converter, Plan
from audiencesync.people.imports.models import Import, UploadPart
from audiencesync.people.imports.reading import MOST_ROWS, Reader, Reject, Stretch

logger = logging.getLogger(__name__)
TASK = "audiencesync.people.imports.running.beat"
CHUNK = 5000
TURN_SECONDS = 8.0
LEASE = timedelta(seconds=60)
PAUSE = timedelta(seconds=5)  # after a turn that came to nothing
MOST_TRIES = 20
AT_ONCE = 1  # imports that engines work on at the same time: others need their workers, too
State = Import.State


def beat() -> None:
    """The task of the alarm clock: one turn of the import that waits longest; asks for another run if work is left."""
    run = lease(now=timezone.now())
    if run is None:
        return
    try:
        turn(run)
    finally:
        _let_go(run)
    if Import.objects.filter(state=State.RUNNING, leased_until__lte=timezone.now()).exists():
        clock.wake(TASK)


def lease(*, now: datetime) -> Import | None:
    """Take the import that waits longest, if there is one; None if others are at work."""
    running = Import.objects.filter(state=State.RUNNING).order_by(F("leased_until").asc(nulls_first=True), "pk")
    waiting = list(running.values_list("pk", "lease", "leased_until"))
    if sum(bool(token) and until is not None and until > now for _pk, token, until in waiting) >= AT_ONCE:
        return None
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    token = secrets.token_hex(16)
    for pk, _token, until in waiting:
        if (until is None or until <= now) and running.filter(free, pk=pk).update(
            lease=token, leased_until=now + LEASE, n_tries=F("n_tries") + 1
        ):
            return Import.objects.select_related("app_group").get(pk=pk)
    return None


def _let_go(run: Import) -> None:
    """End the lease; whoever failed waits for a moment."""
    now = timezone.now()
    mine = Import.objects.filter(pk=run.pk, lease=run.lease)
    mine.filter(n_tries__gt=0).update(lease="", leased_until=now + PAUSE)
    mine.update(lease="", leased_until=now)


def turn(run: Import) -> None:
    """Chunks of one import until it is over, its lease is lost, or the time is up."""
    ends_at = time.monotonic() + TURN_SECONDS
    if run.n_tries > MOST_TRIES:
        end(run, State.FAILED, trouble="stuck")
        return
    try:
        worker = Worker(run)
        while worker.chunk(now=timezone.now()) and time.monotonic() < ends_at:
            pass
    except UploadPart.DoesNotExist:
        end(run, State.FAILED, trouble="lost")
    except DatabaseError as error:  # a deadlock, a database that went away: the next turn tries again
        logger.warning("Import %s was interrupted (%s).", run.pk, type(error).__name__)


def end(run: Import, state: Import.State, *, trouble: str = "") -> bool:
    """Nothing more happens to this import, and its file goes; whether it was ours to end."""
    now = timezone.now()
    with transaction.atomic():
        mine = Import.objects.filter(pk=run.pk, lease=run.lease, state=State.RUNNING)
        if not mine.update(state=state, trouble=trouble, ended_at=now, progressed_at=now, lease=""):
            return False
        uploads.drop(run.upload)
    logger.info("Import %s ended: %s.", run.pk, state.value)
    return True


class Worker:
    """Reads and writes the chunks of an import that is leased."""

    def __init__(self, run: Import) -> None:
        self.run, self.plan = run, Plan.of(run.plan)
        self.source = uploads.Stored(run.upload, run.size)
        self.converter = Converter(self.plan)
        self.size = CHUNK
        self.reader = self._open(run.position, run.line)

    def _open(self, position: int, line: int) -> Reader:
        """A reader behind what is done."""
        layout, n_columns = self.plan.layout, len(self.plan.columns)
        reader = Reader(self.source, layout, n_columns=n_columns, position=position, line=line)
        if not position and layout.has_header:
            reader.take(1)
        return reader

    def chunk(self, *, now: datetime) -> bool:
        """Do the next rows; whether there may be more."""
        before, line = self.reader.position, self.reader.line
        stretch = self.reader.take(min(self.size, MOST_ROWS - self.run.n_rows))
        if not stretch:
            is_more = self.run.n_rows >= MOST_ROWS and len(self.reader.take(1)) > 0
            end(self.run, State.DONE, trouble="rows" if is_more else "")
            return False
        try:
            is_ours = self._write(stretch, before, now=now)
        except DataError:  # something that no check knew: the row is found by halving
            if len(stretch) == 1:
                return self._write(Stretch(rejects=_all_of(stretch)), before, now=now)
            self.size, self.reader = max(1, len(stretch) // 2), self._open(before, line)
            return True
        self.size = min(CHUNK, 2 * self.size)
        return is_ours

    def _write(self, stretch: Stretch, before: int, *, now: datetime) -> bool:
        """Everything about some rows, or nothing; False if the import is no longer ours."""
        batch, rejects = self.converter.read(stretch)
        with transaction.atomic():
            written = writing.write(self.run, self.run.app_group, batch, stretch, plan=self.plan, now=now)
            rejects = sorted([*rejects, *written.rejects])
            writing.note(self.run, rejects, position=before)
            is_ours = self._advance(written, len(rejects), now=now)
            if not is_ours:
                transaction.set_rollback(True)
        if is_ours:
            self.run.n_rows += len(stretch)
        return is_ours

    def _advance(self, written: writing.Written, n_rejected: int, *, now: datetime) -> bool:
        """The counts, and where to go on: they move with the rows. False if the lease is somebody else's by now."""
        mine = Import.objects.filter(pk=self.run.pk, lease=self.run.lease, state=State.RUNNING)
        return bool(
            mine.update(
                position=self.reader.position,
                line=self.reader.line,
                n_rows=F("n_rows") + written.created + written.updated + n_rejected,
                n_created=F("n_created") + written.created,
                n_updated=F("n_updated") + written.updated,
                n_rejected=F("n_rejected") + n_rejected,
                n_people=F("n_people") + written.people,
                n_tries=0,
                progressed_at=now,
                leased_until=now + LEASE,
            )
        )


def _all_of(stretch: Stretch) -> list[Reject]:
    rows = zip(stretch.lines, stretch.rows, strict=True)
    return [*stretch.rejects, *(Reject(line, "stored", "", cells) for line, cells in rows)]
