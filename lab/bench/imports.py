"""Measure how many rows a second a CSV import handles, turn by turn like the engine."""

from __future__ import annotations

import io
import time
from typing import Any

from django.utils import timezone

from audiencesync.people.imports import column_guess, detection, mapping, runner, uploads
from audiencesync.people.models.imports import Import
from lab.bench import world

HEADERS = ("external_id", "email", "phone", "country", "newsletter", "orders")


def measure(*, n: int) -> dict[str, Any]:
    """Import ``n`` new people, then a file that changes one attribute, then that file again."""
    results: dict[str, Any] = {"rows": n}
    for name, newsletter in (("new", "true"), ("changed", "false"), ("same", "false")):
        run = _start_import(_file(n, newsletter))
        started, cpu_before = time.perf_counter(), time.process_time()
        while leased := runner.lease(now=timezone.now()):
            runner.turn(leased)
            runner.release(leased)
        seconds = time.perf_counter() - started
        run.refresh_from_db()
        if run.n_created + run.n_updated != n:
            raise SystemExit(
                f"The import did not take all rows: {run.state}, {run.n_rejected} rejected"
            )
        results |= {
            f"{name}_per_second": round(n / seconds),
            f"{name}_cpu_seconds": round(time.process_time() - cpu_before, 2),
        }
    return results


def _file(n: int, newsletter: str) -> bytes:
    rows = (
        f"import-{i},person.{i}@example.org,+4915112{i % 1_000_000:06},DE,{newsletter},{i % 50}\r\n"
        for i in range(n)
    )
    return (",".join(HEADERS) + "\r\n" + "".join(rows)).encode()


def _start_import(data: bytes) -> Import:
    """Make an import that is ready for its first turn."""
    run = Import(app_group=world.group(), file_name="bench.csv", size=len(data))
    uploads.save_import(run, io.BytesIO(data))
    layout = detection.layout(uploads.StoredFile(run.upload, run.size), is_utf8=True)
    sample_row = ["x", "x", "x", "DE", "true", "1"]
    guesses = column_guess.columns(
        HEADERS, [sample_row], delimiter=layout.delimiter, app_group=run.app_group
    )
    columns = tuple(guess.column for guess in guesses)
    run.plan = mapping.Plan(layout, columns).as_json()
    run.state, run.started_at = Import.State.RUNNING, timezone.now()
    run.save()
    return run
