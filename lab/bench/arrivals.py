"""People who arrive one by one on a live canvas, and a crowd of any size that is pending: what the engine makes of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Sum
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases.models import Canvas
from lab.bench import world
from partners.models import Action, Audience, Batch, Delivery, Sync, Tally
from partners.queue import collect, tally
from partners.queue.enqueue import reason_sql

GAP = 0.37  # seconds between two events: they fall everywhere between two beats
LONGEST = 120.0
AT_ONCE = 50  # batches in one transaction
_FILL = """
INSERT INTO {delivery} (sync_id, profile_id, entry_key, batch_id, outcome, reason)
SELECT b.sync_id, p.id, b.seq * %s + p.id, b.id, NULL, NULL
FROM {batch} b CROSS JOIN (
    SELECT q.id FROM {profile} q WHERE q.app_group_id = %s AND ({reason}) IS NULL ORDER BY q.id LIMIT %s
) p WHERE b.sync_id = %s AND b.seq > %s AND b.seq <= %s
"""


def events(*, n: int, kinds: Sequence[str]) -> dict[str, Any]:
    """Let ``n`` people enter one by one while the engine runs beside, woken by nobody; seconds until each is synced."""
    canvas, sync = world.draft(kinds)
    people = _sendable(sync, n)
    Canvas.objects.filter(pk=canvas.pk).update(state=Canvas.State.LIVE, entry_cursor=people[0] - 1)
    Sync.objects.filter(pk=sync.pk).update(is_live=True)
    at = {}
    for person in people:
        at[person] = timezone.now()
        Canvas.objects.filter(pk=canvas.pk).update(entry_until=person)
        time.sleep(GAP)
    deadline = time.monotonic() + LONGEST
    while _waits(canvas, sync) and time.monotonic() < deadline:
        time.sleep(0.2)
    done = Delivery.objects.filter(sync=sync, batch__state="synced").values_list(
        "profile", "batch__settled_at"
    )
    seconds = sorted(
        (settled_at - at[person]).total_seconds()
        for person, settled_at in done
        if person and settled_at
    )
    if len(seconds) < len(people):
        raise SystemExit(f"Of {len(people)} people {len(seconds)} were synced.")
    return {
        "events": len(seconds),
        **{f"p{share}_seconds": _share(seconds, share) for share in (50, 95, 100)},
    }


def _sendable(sync: Sync, n: int) -> list[int]:
    """Profiles that can be sent, as far as there are ``n``."""
    everybody = Profile.objects.filter(
        app_group=sync.app_group_id, email_sha256__isnull=False
    ).exclude(ads_consent=False)
    return list(islice(everybody.order_by("pk").values_list("pk", flat=True), n))


def _waits(canvas: Canvas, sync: Sync) -> bool:
    row = Tally.objects.filter(pk=sync.pk).first()
    return (
        Canvas.objects.filter(pk=canvas.pk).exclude(entry_until=None).exists()
        or row is None
        or row.pending > 0
    )


def _share(seconds: Sequence[float], share: int) -> float:
    return round(seconds[min(len(seconds) - 1, len(seconds) * share // 100)], 2)


def backlog(*, n: int, kinds: Sequence[str]) -> dict[str, Any]:
    """Make some ``n`` people pending, in full requests: the same people again and again, written by few statements."""
    _canvas, sync = world.draft(kinds)
    account = sync.audience.ad_account
    each = min(n, collect.most_people(collect.preset_of(account), account, len(sync.kinds)))
    each = min(each, len(_sendable(sync, each)))
    last = -(-n // each)
    started = time.monotonic()
    for first in range(0, last, AT_ONCE):
        _fill(sync, each, first, min(first + AT_ONCE, last))
    return {
        "pending": Tally.objects.get(pk=sync.pk).pending,
        "filled_seconds": round(time.monotonic() - started, 1),
    }


def drained(*, pending: int, started: float, seconds: float) -> dict[str, Any]:
    """Watch the engine, which runs since ``started`` (a monotonic time), send who was pending: for so long at most."""
    while (left := _pending()) and time.monotonic() < started + seconds:
        time.sleep(0.5)
    spent = time.monotonic() - started
    return {
        "sent": pending - left,
        "seconds": round(spent, 1),
        "people_per_second": round((pending - left) / spent),
    }


def _pending() -> int:
    return Tally.objects.aggregate(n=Sum("pending"))["n"] or 0


def _fill(sync: Sync, each: int, first: int, last: int) -> None:
    """Batches of ``each`` people with the numbers after ``first`` up to ``last``."""
    now = timezone.now()
    mine = {
        "audience": sync.audience,
        "ad_account": sync.audience.ad_account,
        "created_at": now,
        "due_at": now,
    }
    with tally.gathered(now=now) as moves:
        Audience.objects.filter(pk=sync.audience_id).update(seq=F("seq") + last - first)
        Batch.objects.bulk_create(
            Batch(sync=sync, action=sync.action, kinds=sync.kinds, seq=seq, n=each, **mine)
            for seq in range(first + 1, last + 1)
        )
        sql = _FILL.format(
            delivery=Delivery._meta.db_table,
            batch=Batch._meta.db_table,
            profile=Profile._meta.db_table,
            reason=reason_sql(Action.ADD, sync.kinds, is_strict=False),
        )
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, [10**9, sync.app_group_id, each, sync.pk, first, last])
            n = cursor.rowcount
        moves.add(sync.pk, entered=n, pending=n)
