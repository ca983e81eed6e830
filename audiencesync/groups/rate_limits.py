"""Rate limits per app group: one row per group and limit, counted atomically by one statement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection

from audiencesync.groups.models import AppGroup, RateWindow

# A machine whose clock is behind counts into the window that has begun already.
_COUNT = """
INSERT INTO {table} (app_group_id, name, starts_at, n) {values}
ON CONFLICT (app_group_id, name) DO UPDATE SET
  n = CASE WHEN {table}.starts_at < excluded.starts_at THEN 1 ELSE {table}.n + 1 END,
  starts_at = CASE WHEN {table}.starts_at < excluded.starts_at
    THEN excluded.starts_at ELSE {table}.starts_at END
RETURNING n
"""
# PostgreSQL need not flush a count to disk: one that is lost in a crash does no harm.
_VALUES = {
    "sqlite": "VALUES (%s, %s, %s, 1)",
    "postgresql": "SELECT %s, %s, %s, 1 FROM set_config('synchronous_commit', 'off', true)",
}


@dataclass(frozen=True, slots=True)
class Rate:
    """The state of one limit of a group after ``n`` calls. ``ends_at``: seconds since 1970."""

    limit: int
    n: int
    ends_at: float

    @property
    def is_over(self) -> bool:
        """Return whether the call that was counted last exceeds the limit."""
        return self.n > self.limit

    def headers(self, *, now: datetime) -> dict[str, str]:
        """Return the headers that clients of Braze expect."""
        # Braze's X-RateLimit-Reset holds seconds to wait, but on a refusal a Unix timestamp.
        wait = max(1, math.ceil(self.ends_at - now.timestamp()))
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - self.n)),
        }
        if not self.is_over:
            return headers | {"X-RateLimit-Reset": str(wait)}
        return headers | {
            "X-RateLimit-Reset": str(int(now.timestamp()) + wait),
            "X-Ratelimit-Retry-After": str(wait),
            "Retry-After": str(wait),
        }


def count(app_group: AppGroup, name: str, *, now: datetime) -> Rate:
    """Count one call of the group against a limit of settings.API_LIMITS."""
    limit, seconds = settings.API_LIMITS[name]
    return count_in(app_group, name, limit, seconds=seconds, now=now)


def count_in(app_group: AppGroup, name: str, limit: int, *, seconds: float, now: datetime) -> Rate:
    """Count one action of the group against ``limit`` per ``seconds``."""
    period_ms = max(1, int(seconds * 1000))
    starts_at = int(now.timestamp() * 1000) // period_ms * period_ms  # the same for all machines
    with connection.cursor() as cursor:
        statement = _COUNT.format(
            table=RateWindow._meta.db_table, values=_VALUES[connection.vendor]
        )
        cursor.execute(statement, [app_group.pk, name, starts_at])
        (n,) = cursor.fetchone()
    return Rate(limit, n, (starts_at + period_ms) / 1000)
