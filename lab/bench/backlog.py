"""Make any number of deliveries pending, and measure how the engine sends them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import F, Sum
from django.utils import timezone

from audiencesync.people.models import Profile
from lab.bench import world
from partners.models import Action, Audience, Batch, Delivery, Sync, Tally
from partners.queue import collect, tally
from partners.queue.enqueue import reason_sql

BATCHES_PER_TRANSACTION = 50
KEY_SPAN = 10**9  # an entry key is seq * KEY_SPAN + profile id: unique within the sync
# `reason_sql` reads the profile as q.
_SENDABLE = """
SELECT q.id FROM {profile} q
WHERE q.app_group_id = %s AND ({reason}) IS NULL ORDER BY q.id LIMIT %s
"""
_FILL = """
INSERT INTO {delivery} (sync_id, profile_id, entry_key, batch_id, outcome, reason)
SELECT b.sync_id, p.id, b.seq * %s + p.id, b.id, NULL, NULL
FROM {batch} b CROSS JOIN ({sendable}) p
WHERE b.sync_id = %s AND b.seq > %s AND b.seq <= %s
"""


def fill(*, n: int, kinds: Sequence[str]) -> dict[str, Any]:
    """Make about ``n`` deliveries pending, in full batches that all hold the same people."""
    _canvas, sync = world.make_canvas(kinds)
    account = sync.audience.ad_account
    cap = collect.max_people(collect.preset_of(account), account, len(sync.kinds))
    per_batch = _count_sendable(sync, limit=min(n, cap))
    if not per_batch:
        raise ValueError(f"No one can be sent by {', '.join(kinds)}.")
    n_batches = -(-n // per_batch)  # rounded up
    started = time.monotonic()
    for first in range(0, n_batches, BATCHES_PER_TRANSACTION):
        _fill(sync, per_batch, first, min(first + BATCHES_PER_TRANSACTION, n_batches))
    return {
        "pending": Tally.objects.get(pk=sync.pk).pending,
        "filled_seconds": round(time.monotonic() - started, 1),
    }


def _count_sendable(sync: Sync, *, limit: int) -> int:
    """Count the profiles that `_fill` takes, up to ``limit``."""
    sql = _SENDABLE.format(profile=Profile._meta.db_table, reason=_reason(sync))
    with connection.cursor() as cursor:
        cursor.execute(sql, [sync.app_group_id, limit])
        return len(cursor.fetchall())


def _reason(sync: Sync) -> str:
    return reason_sql(Action.ADD, sync.kinds, is_strict=False)


def watch(*, pending: int, started: float, seconds: float) -> dict[str, Any]:
    """Wait while the engine sends the pending people, for ``seconds`` at most; return its speed.

    ``started``: the time.monotonic() of the engine's start. Another process has read it, which
    works because all processes on Linux share this clock.
    """
    while (n_left := _count_pending()) and time.monotonic() < started + seconds:
        time.sleep(0.5)
    elapsed = time.monotonic() - started
    return {
        "sent": pending - n_left,
        "seconds": round(elapsed, 1),
        "people_per_second": round((pending - n_left) / elapsed),
    }


def _count_pending() -> int:
    return Tally.objects.aggregate(n=Sum("pending"))["n"] or 0


def _fill(sync: Sync, per_batch: int, first: int, last: int) -> None:
    """Write batches of ``per_batch`` people, numbered from ``first + 1`` to ``last``."""
    now = timezone.now()
    fields = {
        "audience": sync.audience,
        "ad_account": sync.audience.ad_account,
        "created_at": now,
        "due_at": now,
    }
    with tally.atomic(now=now) as moves:
        # Only `fill` adds batches to this new audience, so its seq equals ``first`` here.
        Audience.objects.filter(pk=sync.audience_id).update(seq=F("seq") + last - first)
        Batch.objects.bulk_create(
            Batch(sync=sync, action=sync.action, kinds=sync.kinds, seq=seq, n=per_batch, **fields)
            for seq in range(first + 1, last + 1)
        )
        sql = _FILL.format(
            delivery=Delivery._meta.db_table,
            batch=Batch._meta.db_table,
            sendable=_SENDABLE.format(profile=Profile._meta.db_table, reason=_reason(sync)),
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [KEY_SPAN, sync.app_group_id, per_batch, sync.pk, first, last])
            n = cursor.rowcount
        moves.add(sync.pk, entered=n, pending=n)
