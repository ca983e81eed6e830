"""What the numbers should be on 2 cores, and what others reach: printed beside ours, asserted nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PEERS = {
    "segment: people_per_second from raw": "100,000-160,000",
    "rudderstack: people_per_second from raw": "34,000-45,000",
    "sketch with a packed row per request: people_per_second end to end": "480,000-495,000",
    "sketch with a row per person: people_per_second end to end": "152,000-297,000",
    "raw SQL alone: seconds from launch to synced, PostgreSQL, 1,000,000 people": "8.8",
}
"""Measured once on 2 cores of the same kind, never again here: the hashing code of Segment's and of RudderStack's TikTok
destinations, one thread (design of the sync engine, "Numbers to reach"); our own sketches with PostgreSQL and SQLite
(facts on django-q2, section 3.3); raw SQL for admitting, entering, leaving and reading (design of the sync engine)."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table. ``path`` leads to the number; ``holds_at`` tells for which number of people it is meant."""

    path: tuple[str, ...]
    limit: dict[str, float]  # database -> goal
    is_least: bool
    holds_at: Callable[[int], bool] = lambda n: True


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
    Goal(("idle", "cpu_percent"), _both(1), is_least=False),
    Goal(("idle", "sql_per_second"), _both(10), is_least=False),
    Goal(("backlog", "most_memory_mb", "engine"), _both(300), is_least=False),
)


def judged(found: dict[str, Any], database: str, n: int) -> dict[str, str]:
    """Each goal whose number was measured -> in words whether it is reached."""
    words = {}
    for goal in GOALS:
        value: Any = found
        for name in goal.path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is None or database not in goal.limit or not goal.holds_at(n):
            continue
        limit = goal.limit[database]
        reached = value >= limit if goal.is_least else value <= limit
        sign = ">=" if goal.is_least else "<="
        words[": ".join(goal.path)] = f"{sign} {limit:,} {'reached' if reached else 'MISSED'}"
    return words
