"""Drops what is too old, a stretch at a time: how many days things are kept, and the walk through a table by its ids."""

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
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef

from audiencesync.groups.models import Activity, Lap

STRETCH = 1000
SHARE = 0.08  # seconds of a turn for one table
LAP = timedelta(days=1)  # from the beginning of one walk through a table to that of the next


def limit(name: str, *, now: datetime) -> datetime | None:
    """What is older than this goes; None if such things are kept for ever."""
    days = settings.KEEP_DAYS[name]
    return now - timedelta(days=days) if days else None


def walk(
    name: str,
    rows: models.QuerySet[Any],
    stretch: Callable[[Sequence[int]], None],
    *,
    now: datetime,
    seconds: float = SHARE,
) -> None:
    """Hand the ids of ``rows`` to ``stretch``, some at a time, each in a transaction; go on where the last turn stopped.

    Once through, it begins again a day later. The row of the lap is locked first: one process walks a table at a time.
    """
    Lap.objects.bulk_create([Lap(name=name)], ignore_conflicts=True)
    ends_at = time.monotonic() + seconds
    is_over = False
    while not is_over and time.monotonic() < ends_at:
        with transaction.atomic():
            is_over = _step(Lap.objects.select_for_update().get(pk=name), rows, stretch, now=now)


def _step(
    lap: Lap, rows: models.QuerySet[Any], stretch: Callable[[Sequence[int]], None], *, now: datetime
) -> bool:
    """The next ids of a lap; whether it is over."""
    if not lap.after:
        if lap.begun_at and now < lap.begun_at + LAP:
            return True
        lap.begun_at = now
    ids = list(rows.filter(pk__gt=lap.after).order_by("pk").values_list("pk", flat=True)[:STRETCH])
    if ids:
        stretch(ids)
    lap.after = ids[-1] if len(ids) == STRETCH else 0
    lap.save(update_fields=["after", "begun_at"])
    return not lap.after


def drop(rows: models.QuerySet[Any], *, seconds: float = SHARE) -> None:
    """Delete rows that an index finds, some at a time."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        ids = list(rows.values_list("pk", flat=True)[:STRETCH])
        rows.model._default_manager.filter(pk__in=ids).delete()
        if len(ids) < STRETCH:
            return


def purge(*, now: datetime) -> None:
    """What of this storey is too old: lines of the activity log, sessions that ended."""
    if before := limit("activities", now=now):
        old = Activity.objects.filter(at__lt=before)
        walk("activities", Activity.objects.all(), partial(delete, old), now=now)
    drop(Session.objects.filter(expire_date__lt=now).order_by("expire_date"))
    going_on = Session.objects.filter(pk=OuterRef("session_key"))
    drop(UserSession.objects.filter(~Exists(going_on)).order_by("pk"))
    drop_ended(caches["default"], now=now)


def drop_ended(cache: BaseCache, *, now: datetime) -> None:
    """Delete what has ended in a cache that lies in the database, some at a time; others do it by themselves."""
    if not isinstance(cache, DatabaseCache):
        return
    table = connection.ops.quote_name(str(settings.CACHES["default"]["LOCATION"]))
    ended = f"SELECT cache_key FROM {table} WHERE expires < %s ORDER BY expires LIMIT {STRETCH}"  # noqa: S608 - our own names
    before = connection.ops.adapt_datetimefield_value(now.replace(microsecond=0))
    ends_at = time.monotonic() + SHARE
    with connection.cursor() as cursor:
        while time.monotonic() < ends_at:
            cursor.execute(f"DELETE FROM {table} WHERE cache_key IN ({ended})", [before])  # noqa: S608 - our own names
            if cursor.rowcount < STRETCH:
                return


def delete(rows: models.QuerySet[Any], ids: Sequence[int]) -> None:
    """Those of ``rows`` that have one of these ids."""
    rows.filter(pk__in=ids).delete()
