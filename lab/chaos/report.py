"""What a chaos run found: checks, deeds, strikes, and whatever a process complained of in its log."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# Errors that are the right words about a strike; any other error or traceback in a log is a violation.
EXCUSED = (
    "Engine restarts in",  # its cluster was killed
    "reincarnated",  # one of its processes was killed
    "unknown code",  # an alert about one of the faults, as designed
)
TASK_NAME = re.compile(r" \([a-z]+(-[a-z]+){3}\)")  # each task of django-q2 has one of its own


@dataclass
class Report:
    """All of it; ``violations`` is what must be empty."""

    seed: int
    database: str
    redis: bool
    engines: int
    seconds: float
    folder: str
    strikes: dict[str, int] = field(default_factory=dict)
    checks: int = 0
    calm: dict[str, Any] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    deeds: dict[str, int] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        strikes = ", ".join(f"{name} {n}" for name, n in self.strikes.items())
        where = f"{self.database}{' and Redis' if self.redis else ''}"
        return [
            f"seed {self.seed}: {self.engines} engines on {where}, {self.seconds:.0f} s of storm",
            f"strikes:  {strikes or 'none'}",
            f"deeds:    {_counts(self.deeds)}",
            f"requests: {sum(self.requests.values()):,} ({_counts(self.requests)})",
            f"people:   {_counts(self.people)}",
            f"laws:     read {self.checks} times; calm after {self.calm.get('seconds', '?')} s",
            f"logs:     {self.folder}",
            *(f"VIOLATION {sentence}" for sentence in self.violations),
            "ok" if not self.violations else f"NOT ok: {len(self.violations)} violations",
        ]


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in found.items())


def watched(file: Path) -> tuple[int, list[str]]:
    """How often the laws were read during a run, and which were broken when (each sentence once)."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    found = Counter(sentence for line in lines for sentence in line["broken"])
    return len(lines), [f"{sentence} (seen {n} times)" for sentence, n in found.items()]


def complaints(logs: Iterable[Path]) -> list[str]:
    """Errors and tracebacks in the logs: the place, the first and the last words. One sentence per kind."""
    found = Counter(f"{log.stem}: {words}" for log in logs for words in _complaints(log))
    return [f"{sentence} ({n} times)" for sentence, n in found.items()]


def _complaints(log: Path) -> Iterator[str]:
    lines = iter(log.read_text(errors="replace").splitlines())
    for line in lines:
        if line.startswith("Traceback"):
            yield f"a traceback that ends with: {_end_of(lines)}"
        elif line.startswith("{") and (told := _parsed(line)) and not _is_fine(line, told):
            first, *more = str(told.get("message")).splitlines()
            yield f"{TASK_NAME.sub('', first)} {_last(more)} {_last(str(told.get('exception', '')).splitlines())}"[
                :400
            ]


def _end_of(lines: Iterator[str]) -> str:
    """The last line of a traceback: the first that is not indented."""
    return next((line for line in lines if line and not line.startswith(" ")), "")[:300]


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_fine(line: str, told: dict[str, Any]) -> bool:
    is_bad = str(told.get("level", "")).upper() in ("ERROR", "CRITICAL") or "exception" in told
    return not is_bad or any(words in line for words in EXCUSED)


def _last(lines: Sequence[str]) -> str:
    return next((line for line in reversed(lines) if line.strip(" ^")), "")
