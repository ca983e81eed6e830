"""The result of a chaos run: checks, acts, strikes, and the errors in the logs of its processes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

# Texts of log lines that strikes and faults cause. Any other error in a log is a violation.
EXPECTED_ERRORS = (
    "Engine restarts in",  # its cluster was killed
    "reincarnated",  # one of its processes was killed
    "unknown code",  # the alert about one of the faults
)
TASK_NAME = re.compile(r" \([a-z]+(-[a-z]+){3}\)")  # django-q2 names each task at random
MAX_SENTENCE = 400  # characters


@dataclass
class Report:
    """The whole result; a run without ``violations`` is good."""

    seed: int
    database: str
    redis: bool
    engines: int
    seconds: float
    folder: str
    strikes: dict[str, int] = field(default_factory=dict)
    checks: int = 0
    lease_checks: int = 0
    longest_silence: float = 0.0  # seconds without an engine's heartbeat
    calm: dict[str, Any] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    acts: dict[str, int] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the report as text."""
        strikes = ", ".join(f"{name} {n}" for name, n in self.strikes.items())
        where = f"{self.database}{' and Redis' if self.redis else ''}"
        return [
            f"seed {self.seed}: {self.engines} engines on {where}, {self.seconds:.0f} s of faults",
            f"strikes:  {strikes or 'none'}",
            f"acts:     {_counts(self.acts)}",
            f"requests: {sum(self.requests.values()):,} ({_counts(self.requests)})",
            f"people:   {_counts(self.people)}",
            f"laws:     checked {self.checks} times, the time of leases {self.lease_checks} times",
            f"engines:  none worked for {self.longest_silence:.1f} s at the longest",
            f"calm:     after {self.calm.get('seconds', '?')} s",
            f"logs:     {self.folder}",
            *(f"VIOLATION {sentence}" for sentence in self.violations),
            "ok" if not self.violations else f"NOT ok: {len(self.violations)} violations",
        ]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


class Watched(NamedTuple):
    """Summary of the lines that `judge.watch` wrote during a run."""

    checks: int
    lease_checks: int  # how many of them could find an expired lease (see judge.LeaseTime)
    longest_silence: float
    violations: list[str]  # each sentence once


def read_watch(file: Path) -> Watched:
    """Read the lines of `judge.watch`; skip the last one if it is not complete yet."""
    text = file.read_text() if file.exists() else ""
    lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    violations = Counter(sentence for line in lines for sentence in line["broken"])
    return Watched(
        checks=len(lines),
        lease_checks=sum(line["leases"] for line in lines),
        longest_silence=max((line["silence"] for line in lines), default=0.0),
        violations=[f"{sentence} (seen {n} times)" for sentence, n in violations.items()],
    )


def log_errors(logs: Iterable[Path]) -> list[str]:
    """Return each unexpected error or traceback in the logs once, with its count."""
    errors = Counter(f"{log.stem}: {sentence}" for log in logs for sentence in _errors_in(log))
    return [f"{sentence} ({n} times)" for sentence, n in errors.items()]


def _errors_in(log: Path) -> Iterator[str]:
    lines = iter(log.read_text(errors="replace").splitlines())
    for line in lines:
        if line.startswith("Traceback"):
            yield f"a traceback that ends with: {_last_line(lines)}"
        elif line.startswith("{") and (entry := _parsed(line)) and _is_error(line, entry):
            first, *more = str(entry.get("message")).splitlines()
            exception = _last_text(str(entry.get("exception", "")).splitlines())
            sentence = f"{TASK_NAME.sub('', first)} {_last_text(more)} {exception}"
            yield sentence[:MAX_SENTENCE]


def _last_line(lines: Iterator[str]) -> str:
    """Return the last line of a traceback: it is the first that is not indented."""
    return next((line for line in lines if line and not line.startswith(" ")), "")[:300]


def _parsed(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _is_error(line: str, entry: dict[str, Any]) -> bool:
    level = str(entry.get("level", "")).upper()
    is_bad = level in ("ERROR", "CRITICAL") or "exception" in entry
    return is_bad and not any(text in line for text in EXPECTED_ERRORS)


def _last_text(lines: Sequence[str]) -> str:
    """Return the last line that is more than the ^^^^ below a line of source."""
    return next((line for line in reversed(lines) if line.strip(" ^")), "")
