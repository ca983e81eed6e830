"""Goals on 2 cores, and what other products reach: printed beside our numbers, never asserted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Measured once on 2 cores of the same kind: the hashing code of the TikTok destinations of Segment
# and RudderStack on one thread; prototypes of ours; and the bare SQL statements of a launch.
PEERS = {
    "segment: people_per_second from raw": "100,000-160,000",
    "rudderstack: people_per_second from raw": "34,000-45,000",
    "prototype with one row per request: people_per_second end to end": "480,000-495,000",
    "prototype with one row per person: people_per_second end to end": "152,000-297,000",
    "SQL alone: seconds from launch to synced, PostgreSQL, 1,000,000 people": "8.8",
}


@dataclass(frozen=True, slots=True)
class Goal:
    """One number that should be at least, or at most, a limit."""

    path: tuple[str, ...]  # keys of the number in the result of the benchmark
    limit: dict[str, float]  # database -> goal
    is_minimum: bool  # whether the number should be at least the limit; else at most
    holds_at: Callable[[int], bool] = lambda n: True  # whether it is a goal for n people


def _on_both(limit: float) -> dict[str, float]:
    return {"postgresql": limit, "sqlite": limit}


def _is_million(n: int) -> bool:
    return n == 1_000_000


GOALS = (
    Goal(("bodies", "from_stored_email"), _on_both(1_000_000), is_minimum=True),
    Goal(("bodies", "from_raw_clean"), _on_both(400_000), is_minimum=True),
    Goal(("drain", "people_per_second"), _on_both(300_000), is_minimum=True),
    Goal(
        ("launch", "seconds"),
        {"postgresql": 10, "sqlite": 15},
        is_minimum=False,
        holds_at=_is_million,
    ),
    Goal(("events", "p95_seconds"), _on_both(8), is_minimum=False),
    Goal(("ingest", "profiles_per_second"), _on_both(5_000), is_minimum=True),
    Goal(("ingest", "p95_ms"), _on_both(200), is_minimum=False),
    Goal(("imports", "new_per_second"), {"postgresql": 30_000}, is_minimum=True),
    Goal(
        ("splits", "people_per_second"), {"postgresql": 100_000, "sqlite": 60_000}, is_minimum=True
    ),
    Goal(("page", "open", "cpu_ms"), _on_both(500), is_minimum=False),
    Goal(("page", "counters", "cpu_ms"), _on_both(100), is_minimum=False),
    Goal(("page", "counters_all_changed", "cpu_ms"), _on_both(100), is_minimum=False),
    Goal(("page", "counters_unchanged", "cpu_ms"), _on_both(100), is_minimum=False),
    Goal(("page", "duplicate", "ms"), _on_both(1_000), is_minimum=False),
    Goal(("waits", "p95_seconds"), _on_both(10), is_minimum=False),  # two beats of 5 seconds
    Goal(("changes", "joined", "p95_seconds"), _on_both(12), is_minimum=False),
    Goal(("changes", "left", "p95_seconds"), _on_both(12), is_minimum=False),
    Goal(("flood", "events_per_second"), _on_both(1_950), is_minimum=True),
    # two beats of 5 seconds
    Goal(("flood", "waiting_at_the_end"), _on_both(20_000), is_minimum=False),
    Goal(("live", "count_seconds"), {"postgresql": 2}, is_minimum=False, holds_at=_is_million),
    Goal(("live", "sweep_seconds"), {"postgresql": 5}, is_minimum=False, holds_at=_is_million),
    Goal(("idle", "cpu_percent"), _on_both(1), is_minimum=False),
    Goal(("idle", "sql_per_second"), _on_both(10), is_minimum=False),
    Goal(("backlog", "most_memory_mb", "engine"), _on_both(300), is_minimum=False),
)


def verdicts(results: dict[str, Any], database: str, n: int) -> dict[str, str]:
    """Return for each goal that was measured whether it is reached, in words."""
    sentences = {}
    for goal in GOALS:
        value: Any = results
        for name in goal.path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is None or database not in goal.limit or not goal.holds_at(n):
            continue
        limit = goal.limit[database]
        is_reached = value >= limit if goal.is_minimum else value <= limit
        sign = ">=" if goal.is_minimum else "<="
        sentences[": ".join(goal.path)] = (
            f"{sign} {limit:,} {'reached' if is_reached else 'MISSED'}"
        )
    return sentences
