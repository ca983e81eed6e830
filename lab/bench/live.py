"""Measure live segments: count, first admission, sweep, leaving members, and changes by REST."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import requests
from django.db import connection
from django.db.models import F
from django.utils import timezone

from audiencesync.people.models import Event, Profile, Segment
from audiencesync.people.models.live import Subscription
from audiencesync.people.segments import filters
from audiencesync.people.segments import live as live_segments
from audiencesync.people.writing import live_marks
from canvases import engine
from canvases.models import Canvas
from lab.bench import world
from partners.models import Audience, Delivery, Outcome, Sync, Tally

CHUNK = 10_000
CHANGES_PER_CALL = 20
MAX_SECONDS = 300.0  # how long to wait until people are synced
# People without an order for 30 days, of two countries or one language: time alone adds members.
LAPSED = {
    "all": [
        {"event": "order", "op": "never", "days": 30},
        {
            "any": [
                {"field": "country", "op": "in", "value": ["DE", "AT"]},
                {"field": "language", "op": "is", "value": "en"},
            ]
        },
    ]
}
LOYAL = {"all": [{"field": "custom.bench", "op": "is", "value": "in"}]}
_EVENTS = """
INSERT INTO {event} (app_group_id, profile_id, kind, name, at, properties, currency, quantity)
SELECT app_group_id, id, 'event', 'order', %s, '{{}}', '', 1 FROM {profile} WHERE id %% 3 = 0
"""


def measure(*, n: int, kinds: Sequence[str]) -> dict[str, Any]:
    """Measure in this process, with ``n`` people; no engine may run beside it."""
    make_events()
    segment = Segment.objects.create(app_group=world.group(), name="Lapsed", filter=LAPSED)
    started = time.monotonic()
    members = filters.members(segment).count()
    count_seconds = time.monotonic() - started
    mirror(segment, kinds)
    admit_seconds = _run_to_rest()
    Subscription.objects.update(sweep_at=timezone.now(), sweep_cursor=0)
    sweep_seconds = _run_to_rest()
    n_churned = _churn(n // 5)
    churn_seconds = _run_to_rest()
    return {
        "people": n,
        "members": members,
        "count_seconds": round(count_seconds, 2),
        "admit_seconds": round(admit_seconds, 2),
        "sweep_seconds": round(sweep_seconds, 2),
        "churned": n_churned,
        "churn_seconds": round(churn_seconds, 2),
    }


def make_events() -> None:
    """Give every third person one event of ten days ago."""
    at = connection.ops.adapt_datetimefield_value(timezone.now() - timedelta(days=10))
    names = {"event": Event._meta.db_table, "profile": Profile._meta.db_table}
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS.format(**names), [at])
        cursor.execute("ANALYZE")


def mirror(segment: Segment, kinds: Sequence[str], audience: Audience | None = None) -> Canvas:
    """Launch a canvas that keeps an audience, a new one by default, up to date with a segment."""
    canvas, _sync = world.make_canvas(kinds, audience)
    values = {"entry_by": "segment", "reentry": "left", "segment": segment}
    Canvas.objects.filter(pk=canvas.pk).update(**values)
    canvas.steps.update(settings={"removes": True})
    canvas.refresh_from_db()
    engine.launch(canvas, by=world.user(), now=timezone.now())
    return canvas


def _run_to_rest() -> float:
    """Run segments and journeys until only calls to the partner are left; return the seconds."""
    started = time.monotonic()
    has_work = True
    while has_work:
        now = timezone.now()
        has_work = live_segments.work(now=now, seconds=30)
        has_work |= bool(engine.move_all(now=now))
    return time.monotonic() - started


def _churn(n: int) -> int:
    """Let ``n`` people leave the segment LAPSED by giving each an order."""
    group = world.group()
    people = Profile.objects.filter(app_group=group).exclude(events__name="order")
    ids = list(people.order_by("pk").values_list("pk", flat=True)[:n])
    for start in range(0, len(ids), CHUNK):
        chunk, now = ids[start : start + CHUNK], timezone.now()
        events = [Event(app_group=group, profile_id=pk, name="order", at=now) for pk in chunk]
        live_marks.note(group.pk, chunk, Event.objects.bulk_create(events))
    return len(ids)


def changes(*, seconds: int, per_second: int, kinds: Sequence[str]) -> dict[str, Any]:
    """Post changes by REST that let people join and then leave; web and engine must be running.

    Measure from just before the call to ``settled_at`` of the person's batch, which the engine sets
    after the sandbox's answer.
    """
    segment = Segment.objects.create(app_group=world.group(), name="Loyal", filter=LOYAL)
    canvas = mirror(segment, kinds)
    sync = Sync.objects.get(steps__canvas=canvas)
    results: dict[str, Any] = {"changes_per_second": per_second}
    with world.session("users.track") as session:
        for name, value in (("joined", "in"), ("left", "out")):
            posted_at = _post_all(session, value, n=seconds * per_second, rate=per_second)
            used_sync = sync if value == "in" else _await_removal(sync)
            results[name] = _percentiles(used_sync, posted_at)
    return results


def _await_removal(sync: Sync) -> Sync:
    """Return the Sync that removes people who leave; it is made for the first of them."""
    deadline = time.monotonic() + MAX_SECONDS
    while time.monotonic() < deadline:
        if (removal := Sync.objects.filter(undoes=sync).first()) is not None:
            return removal
        time.sleep(0.25)
    raise SystemExit("No removal was queued.")


def _post_all(session: requests.Session, value: str, *, n: int, rate: int) -> dict[str, float]:
    """Post ``n`` changes, ``rate`` per second; return external id -> when its call began."""
    posted_at: dict[str, float] = {}
    started = time.time()
    for first in range(0, n, CHANGES_PER_CALL):
        time.sleep(max(0.0, started + first / rate - time.time()))
        names = [f"live-{number}" for number in range(first, first + CHANGES_PER_CALL)]
        people = [
            {"external_id": name, "email": f"{name}@example.org", "bench": value} for name in names
        ]
        posted_at |= dict.fromkeys(names, time.time())
        world.track(session, {"attributes": people})
    return posted_at


def _percentiles(sync: Sync, posted_at: dict[str, float]) -> dict[str, float]:
    """Wait until all people are synced; return the times in seconds."""
    deadline = time.monotonic() + MAX_SECONDS
    while time.monotonic() < deadline:
        tally = Tally.objects.filter(pk=sync.pk).first()
        if tally is not None and tally.synced >= len(posted_at):
            break
        time.sleep(0.25)
    rows = Delivery.objects.filter(sync=sync, batch__state=Outcome.SYNCED, outcome=None)
    settled = rows.annotate(name=F("profile__external_id"), at=F("batch__settled_at"))
    times = sorted(
        at.timestamp() - posted_at[name] for name, at in settled.values_list("name", "at")
    )
    if len(times) < len(posted_at):
        raise SystemExit(f"Of {len(posted_at)} people {len(times)} were synced.")
    return {
        f"p{percent}_seconds": round(times[len(times) * percent // 100 - 1], 2)
        for percent in (50, 95, 100)
    }
