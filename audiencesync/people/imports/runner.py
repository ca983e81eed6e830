"""Run imports in turns of a few seconds, chunk by chunk.

A chunk is one transaction: its profiles, its rejected rows and the position of the import. So a
killed import resumes where it stopped, with exact counts. A lease keeps two workers apart.
"""

from __future__ import annotations

import logging
import secrets
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.db.models import F, OuterRef, Subquery
from django.utils import timezone

from audiencesync.core import lease as leases
from audiencesync.core.beat import wake
from audiencesync.people.imports import chunk_writer, uploads
from audiencesync.people.imports.csv_reader import MOST_ROWS, Reader
from audiencesync.people.models.imports import Import, UploadPart

logger = logging.getLogger(__name__)
TASK = "audiencesync.people.imports.runner.beat"
CHUNK = 5000  # rows
TURN_SECONDS = 8.0  # a worker writes chunks for so long before another import has its turn
LEASE_SECONDS = 60.0
LEASE = timedelta(seconds=LEASE_SECONDS)
PAUSE = timedelta(seconds=5)  # pause of an import after a turn that wrote no chunk
MOST_TRIES = 20  # turns in a row that wrote no chunk
AT_ONCE = 1  # imports that run at the same time; the other workers stay free for other tasks
State = Import.State


def beat() -> None:
    """Run one turn of the import that waits longest; request another run if work is left."""
    run = lease(now=timezone.now())
    if run is None:
        return
    try:
        turn(run)
    finally:
        release(run)
    if Import.objects.filter(state=State.RUNNING, leased_until__lte=timezone.now()).exists():
        wake(TASK)


def lease(*, now: datetime) -> Import | None:
    """Lease the longest waiting import; None if there is none or AT_ONCE are leased already.

    Groups take turns: a group with fifty imports does not keep the other groups waiting.
    """
    # ``lease`` is a token, empty without a lease; ``leased_until`` is then the end of the last
    # turn, or of the pause after it.
    ended_turns = Import.objects.filter(
        app_group=OuterRef("app_group"), lease="", leased_until__lte=now
    )
    last_turn = ended_turns.order_by("-leased_until").values("leased_until")[:1]
    running = Import.objects.filter(state=State.RUNNING, app_group__archived_at=None).annotate(
        group_last_turn=Subquery(last_turn)
    )
    order = (F(name).asc(nulls_first=True) for name in ("group_last_turn", "leased_until"))
    candidates = list(running.order_by(*order, "pk").values_list("pk", "lease", "leased_until"))
    if (
        sum(bool(token) and not _is_expired(until, now) for _pk, token, until in candidates)
        >= AT_ONCE
    ):
        return None
    token = secrets.token_hex(16)
    for pk, _token, until in candidates:
        if _is_expired(until, now) and _claim(pk, token, now=now):
            # None if the lease expired before this query
            return Import.objects.select_related("app_group").filter(pk=pk, lease=token).first()
    return None


def _is_expired(until: datetime | None, now: datetime) -> bool:
    return leases.is_expired(until, seconds=LEASE_SECONDS, now=now)


def _claim(pk: int, token: str, *, now: datetime) -> bool:
    """Return whether the lease was taken; a locked row is skipped, not waited for."""
    free_q = leases.free_q("leased_until", seconds=LEASE_SECONDS, now=now)
    claimable = Import.objects.filter(free_q, pk=pk, state=State.RUNNING)
    with transaction.atomic():
        if not claimable.select_for_update(skip_locked=True).values_list("pk").first():
            return False
        return bool(
            claimable.update(lease=token, leased_until=now + LEASE, n_tries=F("n_tries") + 1)
        )


def release(run: Import) -> None:
    """End the lease; after a turn without a chunk the import pauses."""
    now = timezone.now()
    leased_run = Import.objects.filter(pk=run.pk, lease=run.lease)
    # If the first update has ended the lease, the second one finds no row with it.
    leased_run.filter(n_tries__gt=0).update(lease="", leased_until=now + PAUSE)
    leased_run.update(lease="", leased_until=now)


def turn(run: Import) -> None:
    """Write chunks until the import is over, its lease is lost, or the time is up."""
    ends_at = time.monotonic() + TURN_SECONDS
    if run.n_tries > MOST_TRIES:
        end(run, State.FAILED, trouble="stuck")
        return
    try:
        with Worker(run) as worker:
            while worker.write_chunk(now=timezone.now()) and time.monotonic() < ends_at:
                pass
    except UploadPart.DoesNotExist:
        end(run, State.FAILED, trouble="lost")
    except DatabaseError as error:
        # a deadlock or a lost connection: the next turn tries again
        logger.warning("Import %s was interrupted (%s).", run.pk, type(error).__name__)


def end(run: Import, state: Import.State, *, trouble: str = "") -> bool:
    """End the import and delete its file. Return False if the lease was lost.

    ``trouble``: a key of words.TROUBLES.
    """
    now = timezone.now()
    with transaction.atomic():
        leased_run = Import.objects.filter(pk=run.pk, lease=run.lease, state=State.RUNNING)
        if not leased_run.update(
            state=state,
            trouble=trouble,
            ended_at=now,
            progressed_at=now,
            leased_until=now,
            lease="",
        ):
            return False
        uploads.drop(run.upload)
    logger.info("Import %s ended: %s.", run.pk, state.value)
    return True


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows ready to be written, with their begin and end in the file (bytes and lines)."""

    begin: int
    begin_line: int
    end: int
    end_line: int
    rows: chunk_writer.PreparedChunk

    @property
    def n_rows(self) -> int:
        """Return the number of rows."""
        return len(self.rows.parsed)

    @property
    def is_end(self) -> bool:
        """Return whether the file has no more rows."""
        return self.rows.parsed.is_end and not self.n_rows


class Worker(AbstractContextManager["Worker"]):
    """Read and write the chunks of a leased import; a thread prepares the next one meanwhile."""

    def __init__(self, run: Import) -> None:
        self.run = run
        self.writer = chunk_writer.Writer(run, run.app_group)
        self.source = uploads.StoredFile(run.upload, run.size)
        # ``size``: rows of the next chunk. ``n_rows``: rows of the file that are written.
        # ``n_planned``: these and the rows that the thread has read.
        self.size, self.n_rows, self.n_planned = CHUNK, run.n_rows, run.n_rows
        self.reader = self._open(run.position, run.line)
        self.pool = ThreadPoolExecutor(1)
        self.next: Future[Chunk] | None = None

    def __exit__(self, *_error: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def _open(self, position: int, line: int) -> Reader:
        """Return a reader from this position on."""
        plan = self.writer.plan
        reader = Reader(
            self.source, plan.layout, n_columns=len(plan.columns), position=position, line=line
        )
        if not position and plan.layout.has_header:
            reader.take(1)
        return reader

    def write_chunk(self, *, now: datetime) -> bool:
        """Write the next rows. Return whether there may be more."""
        chunk = (self.next or self._prepare_next()).result()
        if chunk.is_end or (chunk.n_rows and self.n_rows >= MOST_ROWS):
            end(self.run, State.DONE, trouble="rows" if chunk.n_rows else "")
            return False
        if self.writer.is_stale():
            return False  # the next turn prepares the chunk again, by the new settings
        self.next = self._prepare_next()
        try:
            is_leased = self._write(chunk, now=now)
        except (DataError, IntegrityError):
            # No check found a value that the database refuses. Halve the chunk until its row is
            # alone, and reject that row.
            self._go_back(chunk)
            return chunk.n_rows > 1 or self._write(
                replace(chunk, rows=self.writer.all_rejected(chunk.rows)), now=now
            )
        self.size = min(CHUNK, 2 * self.size)
        return is_leased

    def _prepare_next(self) -> Future[Chunk]:
        """Load the next bytes here and prepare their rows in the thread, which uses no database."""
        self.source.preload(self.reader.position)
        return self.pool.submit(self._prepare, max(1, min(self.size, MOST_ROWS - self.n_planned)))

    def _prepare(self, max_rows: int) -> Chunk:
        begin, line = self.reader.position, self.reader.line
        parsed = self.reader.take(max_rows)
        self.n_planned += len(parsed)
        return Chunk(
            begin, line, self.reader.position, self.reader.line, self.writer.prepare(parsed)
        )

    def _go_back(self, chunk: Chunk) -> None:
        """Read again from the beginning of the chunk, half as many rows; skip a single row."""
        if self.next:
            self.next.result()  # wait: the thread still moves the reader
        is_one = chunk.n_rows == 1
        self.next, self.size, self.n_planned = None, max(1, chunk.n_rows // 2), self.n_rows + is_one
        self.reader = (
            self._open(chunk.end, chunk.end_line)
            if is_one
            else self._open(chunk.begin, chunk.begin_line)
        )

    def _write(self, chunk: Chunk, *, now: datetime) -> bool:
        """Write the chunk in one transaction; False if the lease was lost."""
        with transaction.atomic():
            written = self.writer.write(chunk.rows, now=now)
            chunk_writer.store_rejects(self.run, written.rejects, position=chunk.begin)
            problem_counts = self.writer.problem_counts(written.rejects)
            is_leased = self._advance(chunk, written, problem_counts, now=now)
            if not is_leased:
                transaction.set_rollback(True)
        self.n_rows, self.run.problem_counts = self.n_rows + chunk.n_rows, problem_counts
        return is_leased

    def _advance(
        self,
        chunk: Chunk,
        written: chunk_writer.WrittenChunk,
        problem_counts: dict[str, dict[str, int]],
        *,
        now: datetime,
    ) -> bool:
        """Add the chunk to the counts and move the position; return False if the lease was lost."""
        leased_run = Import.objects.filter(
            pk=self.run.pk, lease=self.run.lease, state=State.RUNNING
        )
        return bool(
            leased_run.update(
                position=chunk.end,
                line=chunk.end_line,
                n_rows=F("n_rows") + chunk.n_rows,
                n_created=F("n_created") + written.created,
                n_updated=F("n_updated") + written.updated,
                n_rejected=F("n_rejected")
                + sum(not reject.is_imported for reject in written.rejects),
                problem_counts=problem_counts,
                n_people=F("n_people") + written.people,
                n_tries=0,
                progressed_at=now,
                leased_until=now + LEASE,
            )
        )
