"""How fast everybody is written into a CSV file, and what memory that takes, in this one process."""

from __future__ import annotations

import os
import time
from typing import Any

from audiencesync.core import csv_files
from audiencesync.people.models import Profile
from audiencesync.people.views import csv_export
from lab.bench import world
from lab.stack import processes


def measure() -> dict[str, Any]:
    """Export all people of the group; the file goes nowhere."""
    people = Profile.objects.filter(app_group=world.group())
    before, started = processes.most_memory_mb([os.getpid()]), time.perf_counter()
    n_bytes = n_lines = 0
    for part in csv_files.lines(csv_export.rows(people)):
        n_bytes += len(part)
        n_lines += part.count(b"\n")
    seconds = time.perf_counter() - started
    return {
        "rows": n_lines - 1,
        "megabytes": round(n_bytes / 1e6),
        "rows_per_second": round((n_lines - 1) / seconds),
        "more_memory_mb": processes.most_memory_mb([os.getpid()]) - before,
    }
