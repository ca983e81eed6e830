"""Deletes rows that are too old, in chunks: retention times, and walks through tables.

A walk is a pass over a table in the order of the primary key, at most one a day. Each call of the
housekeeping job does a part of it; `PurgeCursor` holds how far it got.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef

from audiencesync.core import chunks
from audiencesync.groups.models import Activity, PurgeCursor

CHUNK = 1000  # rows
TABLE_SECONDS = 0.08  # for one table in one call, so that housekeeping gets to all tables
WALK_EVERY = timedelta(days=1)  # from the start of one walk through a table to the next


def cutoff(name: str, *, now: datetime) -> datetime | None:
    """Return the time before which rows are deleted, or None if they are kept for ever."""
    days = settings.KEEP_DAYS[name]
    return now - timedelta(days=days) if days else None


def walk_in_chunks(
    name: str,
    rows: models.QuerySet[Any],
    process: Callable[[Sequence[int]], None],
    *,
    now: datetime,
    seconds: float = TABLE_SECONDS,
) -> None:
    """Call ``process`` with chunks of the ids of ``rows``, each in a transaction, until the time is
    up.

    The next call continues there. After the last row, the walk starts again a day after its start.
    """
    PurgeCursor.objects.bulk_create([PurgeCursor(name=name)], ignore_conflicts=True)
    ends_at = time.monotonic() + seconds
    is_over = False
    while not is_over and time.monotonic() < ends_at:
        with transaction.atomic():
            # The lock on the cursor lets one process at a time walk a table.
            cursor = PurgeCursor.objects.select_for_update().get(pk=name)
            is_over = _process_chunk(cursor, rows, process, now=now)


def _process_chunk(
    cursor: PurgeCursor,
    rows: models.QuerySet[Any],
    process: Callable[[Sequence[int]], None],
    *,
    now: datetime,
) -> bool:
    """Process the next chunk; return whether the walk is over."""
    if not cursor.after:
        if cursor.begun_at and now < cursor.begun_at + WALK_EVERY:
            return True
        cursor.begun_at = now
    ids = next(chunks.ids(rows, CHUNK, after=cursor.after), [])
    if ids:
        process(ids)
    cursor.after = ids[-1] if len(ids) == CHUNK else 0  # 0: that was the last chunk
    cursor.save(update_fields=["after", "begun_at"])
    return not cursor.after


def delete_in_chunks(rows: models.QuerySet[Any]) -> None:
    """Delete rows until the time is up.

    Each chunk repeats the query, so an index should find the rows, or the table be small.
    """
    ends_at = time.monotonic() + TABLE_SECONDS
    while time.monotonic() < ends_at:
        ids = list(rows.values_list("pk", flat=True)[:CHUNK])
        rows.model._default_manager.filter(pk__in=ids).delete()
        if len(ids) < CHUNK:
            return


def purge(*, now: datetime) -> None:
    """Delete old lines of the activity log, expired sessions and expired cache entries."""
    if before := cutoff("activities", now=now):
        old = Activity.objects.filter(at__lt=before)
        # A walk: no index finds the old lines of all groups.
        walk_in_chunks("activities", Activity.objects.all(), partial(delete_rows, old), now=now)
    delete_in_chunks(Session.objects.filter(expire_date__lt=now).order_by("expire_date"))
    active = Session.objects.filter(pk=OuterRef("session_key"))
    # No index finds these, but the table has only one row per sign-in.
    delete_in_chunks(UserSession.objects.filter(~Exists(active)).order_by("pk"))
    delete_expired_cache_entries(now=now)


def delete_expired_cache_entries(*, now: datetime) -> None:
    """Delete expired entries of the default cache in the database; Redis does it by itself."""
    if not isinstance(caches["default"], DatabaseCache):
        return
    table = connection.ops.quote_name(str(settings.CACHES["default"]["LOCATION"]))
    expired = (
        f"SELECT cache_key FROM {table}"  # noqa: S608  # our own names
        f" WHERE expires < %s ORDER BY expires LIMIT {CHUNK}"
    )
    statement = f"DELETE FROM {table} WHERE cache_key IN ({expired})"  # noqa: S608  # our own names
    # DatabaseCache stores whole seconds.
    before = connection.ops.adapt_datetimefield_value(now.replace(microsecond=0))
    ends_at = time.monotonic() + TABLE_SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < ends_at:
            cursor.execute(statement, [before])
            if cursor.rowcount < CHUNK:
                return


def delete_rows(rows: models.QuerySet[Any], ids: Sequence[int]) -> None:
    """Delete those of ``rows`` that have one of these ids."""
    rows.filter(pk__in=ids).delete()
