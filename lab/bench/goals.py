"""The goals on 2 cores and what others reach: printed beside our numbers, asserted nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Measured once on 2 cores of the same kind: the hashing code of Segment's and RudderStack's TikTok
# destinations on one thread; sketches of ours; and raw SQL that admits, enters, leaves and reads.
PEERS = {
    "segment: people_per_second from raw": "100,000-160,000",
    "rudderstack: people_per_second from raw": "34,000-45,000",
    "sketch with a packed row per request: people_per_second end to end": "480,000-495,000",
    "sketch with a row per person: people_per_second end to end": "152,000-297,000",
    "raw SQL alone: seconds from launch to synced, PostgreSQL, 1,000,000 people": "8.8",
}


@dataclass(frozen=True, slots=True)
class Goal:
    """One number that should be at least, or at most, a limit."""

    path: tuple[str, ...]  # keys that lead to the number
    limit: dict[str, float]  # database -> goal
    is_least: bool
    holds_at: Callable[[int], bool] = lambda n: True  # for which numbers of people


def _both(limit: float) -> dict[str, float]:
    return {"postgresql": limit, "sqlite": limit}


def _million(n: int) -> bool:
    return n == 1_000_000


GOALS = (
    Goal(("bodies", "from_stored_email"), _both(1_000_000), is_least=True),
    Goal(("bodies", "from_raw_clean"), _both(400_000), is_least=True),
    Goal(("drain", "people_per_second"), _both(300_000), is_least=True),
    Goal(
        ("launch", "seconds"), {"postgresql": 10, "sqlite": 15}, is_least=False, holds_at=_million
    ),
    Goal(("events", "p95_seconds"), _both(8), is_least=False),
    Goal(("ingest", "profiles_per_second"), _both(5_000), is_least=True),
    Goal(("ingest", "p95_ms"), _both(200), is_least=False),
    Goal(("imports", "new_per_second"), {"postgresql": 30_000}, is_least=True),
    Goal(("splits", "people_per_second"), {"postgresql": 100_000, "sqlite": 60_000}, is_least=True),
    Goal(("page", "open", "cpu_ms"), _both(500), is_least=False),
    Goal(("page", "counters", "cpu_ms"), _both(100), is_least=False),
    Goal(("page", "counters_all_changed", "cpu_ms"), _both(100), is_least=False),
    Goal(("page", "counters_unchanged", "cpu_ms"), _both(100), is_least=False),
    Goal(("page", "duplicate", "ms"), _both(1_000), is_least=False),
    Goal(("waits", "p95_seconds"), _both(10), is_least=False),  # two beats
    Goal(("changes", "joined", "p95_seconds"), _both(12), is_least=False),
    Goal(("changes", "left", "p95_seconds"), _both(12), is_least=False),
    Goal(("flood", "events_per_second"), _both(1_950), is_least=True),
    Goal(("flood", "waiting_at_the_end"), _both(20_000), is_least=False),  # two beats
    Goal(("live", "count_seconds"), {"postgresql": 2}, is_least=False, holds_at=_million),
    Goal(("live", "sweep_seconds"), {"postgresql": 5}, is_least=False, holds_at=_million),
    Goal(("idle", "cpu_percent"), _both(1), is_least=False),
    Goal(("idle", "sql_per_second"), _both(10), is_least=False),
    Goal(("backlog", "most_memory_mb", "engine"), _both(300), is_least=False),
)


def judged(found: dict[str, Any], database: str, n: int) -> dict[str, str]:
    """Return for each goal that was measured whether it is reached, in words."""
    verdicts = {}
    for goal in GOALS:
        value: Any = found
        for name in goal.path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is None or database not in goal.limit or not goal.holds_at(n):
            continue
        limit = goal.limit[database]
        is_reached = value >= limit if goal.is_least else value <= limit
        sign = ">=" if goal.is_least else "<="
        verdicts[": ".join(goal.path)] = f"{sign} {limit:,} {'reached' if is_reached else 'MISSED'}"
    return verdicts
