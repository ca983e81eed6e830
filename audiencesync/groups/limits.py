"""How often a group may call the API: one row per group and limit, moved by one statement, so all processes agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection

from audiencesync.groups.models import AppGroup, RateWindow

_TABLE = RateWindow._meta.db_table
_COUNT = f"""
INSERT INTO {_TABLE} (app_group_id, name, starts_at, n) VALUES (%s, %s, %s, 1)
ON CONFLICT (app_group_id, name) DO UPDATE SET
  n = CASE WHEN {_TABLE}.starts_at < excluded.starts_at THEN 1 ELSE {_TABLE}.n + 1 END,
  starts_at = CASE WHEN {_TABLE}.starts_at < excluded.starts_at THEN excluded.starts_at ELSE {_TABLE}.starts_at END
RETURNING n
"""  # noqa: S608  # own names only


@dataclass(frozen=True, slots=True)
class Rate:
    """Where a group stands with one limit. ``ends_at``: seconds since 1970."""

    limit: int
    n: int
    ends_at: float

    @property
    def is_over(self) -> bool:
        """Whether this very call is one too many."""
        return self.n > self.limit

    def headers(self, *, now: datetime) -> dict[str, str]:
        """As clients of Braze expect: the reset in seconds to wait, but on a refusal as a moment."""
        wait = max(1, -int(-(self.ends_at - now.timestamp()) // 1))
        left = {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": str(max(0, self.limit - self.n))}
        if not self.is_over:
            return left | {"X-RateLimit-Reset": str(wait)}
        moment = str(int(now.timestamp()) + wait)
        return left | {"X-RateLimit-Reset": moment, "X-Ratelimit-Retry-After": str(wait), "Retry-After": str(wait)}


def count(app_group: AppGroup, name: str, *, now: datetime) -> Rate:
    """Count one call of the group against a limit of settings.API_LIMITS."""
    limit, seconds = settings.API_LIMITS[name]
    period = max(1, int(seconds * 1000))
    starts_at = int(now.timestamp() * 1000) // period * period
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [app_group.pk, name, starts_at])
        (n,) = cursor.fetchone()
    return Rate(limit, n, (starts_at + period) / 1000)
