"""Measure what processes cost: CPU seconds and peak memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants; empty if the process is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the user and system time of these processes and of their children that have ended."""
    seconds = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def peak_memory_mb(processes: Iterable[psutil.Process]) -> int:
    """Return the highest peak of resident memory among these processes, in MB."""
    return round(max(map(_peak_kb, processes), default=0) / 1024)


def _peak_kb(process: psutil.Process) -> int:
    # psutil reports the peak on Windows only; on Linux it is a line of /proc.
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1])
    return 0


def with_environment(*variables: str) -> Iterator[psutil.Process]:
    """Find the processes whose environment holds all of these "NAME=value"."""
    wanted = dict(variable.split("=", 1) for variable in variables)
    for process in psutil.process_iter(["environ"]):
        # None: the process has ended, or belongs to another user
        environment = process.info["environ"] or {}
        if wanted.items() <= environment.items():
            yield process
