"""What processes cost, read from /proc: CPU seconds and the most memory they have held."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        if fields := _fields(stat):
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes so far, and of those that they have started and that have ended."""
    ticks = 0
    for pid in pids:
        if fields := _fields(Path(f"/proc/{pid}/stat")):
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS


def parent(pid: int) -> int:
    """Who started a process; 0 if it is gone."""
    fields = _fields(Path(f"/proc/{pid}/stat"))
    return int(fields[1]) if fields else 0


def most_memory_mb(pids: list[int]) -> int:
    """The most memory that any one of these processes has held."""
    most = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        most = max([most, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))])
    return round(most / 1024)


def _fields(stat: Path) -> list[str]:
    """The fields of /proc/<pid>/stat after the name, from the state on; empty if the process is gone."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
