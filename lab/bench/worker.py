"""Run one measurement in a process beside a stack: ``python -m lab.bench.worker``.

The first argument is JSON: {"task": name, ...arguments}. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import django
import psutil

if __name__ == "__main__":
    django.setup()

from django.db import connection
from django.utils import timezone

from canvases import engine
from lab.bench import (
    backlog,
    bodies,
    branches,
    calibration,
    churn,
    events,
    exports,
    flood,
    imports,
    ingest,
    live,
    world,
)
from partners.models import Batch, Outcome, Push, Tally
from partners.queue import flush

POLL_SECONDS = 0.25
MAX_SECONDS = 600.0  # seconds for a launch


def people(*, n: int) -> dict[str, Any]:
    """Fill the database with ``n`` people."""
    started = time.monotonic()
    world.make_people(n)
    return {"people": n, "seconds": round(time.monotonic() - started, 2)}


def launch(*, n: int, kinds: list[str]) -> dict[str, Any]:
    """Measure from Launch to the last settled batch; the engine must be running.

    The time begins before the call: on a busy machine the engine may have settled the last batch
    before the call returns.
    """
    canvas, sync = world.make_canvas(kinds)
    launched_at = timezone.now()
    engine.launch(canvas, by=world.user(), now=launched_at)
    deadline = time.monotonic() + MAX_SECONDS
    while not _is_done(sync.pk, n) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    tally = Tally.objects.get(pk=sync.pk)
    last = Batch.objects.filter(sync=sync, state=Outcome.SYNCED).order_by("settled_at").last()
    if tally.pending or tally.entered != n or last is None or last.settled_at is None:
        raise SystemExit(f"The launch did not come to rest: {tally.as_dict()}")
    seconds = (last.settled_at - launched_at).total_seconds()
    return {
        "people": n,
        "seconds": round(seconds, 2),
        "people_per_second": round(n / seconds),
        "requests": Push.objects.filter(ad_account=sync.audience.ad_account).count(),
        **tally.as_dict(),
    }


def _is_done(sync_id: int, n: int) -> bool:
    tally = Tally.objects.filter(pk=sync_id).first()
    return tally is not None and tally.entered >= n and not tally.pending


def drain(*, kinds: list[str]) -> dict[str, Any]:
    """Let all people enter, then measure how fast this process sends them; no engine may run."""
    canvas, sync = world.make_canvas(kinds)
    engine.launch(canvas, by=world.user(), now=timezone.now())
    launched = time.monotonic()
    while engine.move_all(now=timezone.now()):
        pass
    entered = time.monotonic()
    pending = Tally.objects.get(pk=sync.pk).pending
    build_rate = bodies.rate_from_database()
    flush_started = time.monotonic()
    while flush.Flush(seconds=8).run():
        pass
    seconds = time.monotonic() - flush_started
    return {
        "people": pending,
        "seconds": round(seconds, 2),
        "people_per_second": round(pending / seconds),
        "entered_per_second": round(Tally.objects.get(pk=sync.pk).entered / (entered - launched)),
        "read_and_built_per_second": build_rate,
    }


def server() -> dict[str, Any]:
    """Return the id of PostgreSQL's first process; 0 for SQLite, which has none."""
    if connection.vendor != "postgresql":
        return {"pid": 0}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return {"pid": psutil.Process(cursor.fetchone()[0]).ppid()}


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "people": people,
    "launch": launch,
    "drain": drain,
    "events": events.measure,
    "fill_backlog": backlog.fill,
    "watch_backlog": backlog.watch,
    "server": server,
    "ingest": ingest.measure,
    "imports": imports.measure,
    "exports": exports.measure,
    "bodies": bodies.measure,
    "calibration": calibration.measure,
    "live": live.measure,
    "splits": branches.splits,
    "waits": branches.waits,
    "page": branches.page,
    "changes": live.changes,
    "flood": flood.measure,
    "churn_begin": churn.begin,
    "churn": churn.change,
    "churn_end": churn.end,
}


def main() -> None:
    """Run the task that the first argument describes."""
    arguments = json.loads(sys.argv[1])
    task = TASKS[arguments.pop("task")]
    sys.stdout.write(json.dumps(task(**arguments)))


if __name__ == "__main__":
    main()
