"""Measure how fast all people are exported as CSV, and the memory that takes, in one process."""

from __future__ import annotations

import time
from typing import Any

import psutil

from audiencesync.core import csv_files
from audiencesync.people.models import Profile
from audiencesync.people.views import csv_export
from lab.bench import world
from lab.stack.processes import peak_memory_mb


def measure() -> dict[str, Any]:
    """Export all people of the group; the bytes are counted and dropped."""
    people = Profile.objects.filter(app_group=world.group())
    processes = [psutil.Process()]  # the process of the bench itself
    memory_before, started = peak_memory_mb(processes), time.perf_counter()
    n_bytes = n_lines = 0
    for part in csv_files.stream(csv_export.rows(people)):
        n_bytes += len(part)
        n_lines += part.count(b"\n")
    seconds = time.perf_counter() - started
    return {
        "rows": n_lines - 1,
        "megabytes": round(n_bytes / 1e6),
        "rows_per_second": round((n_lines - 1) / seconds),
        "more_memory_mb": peak_memory_mb(processes) - memory_before,
    }
