"""Post events of existing people at a rate; count meanwhile how much work waits for the engine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from django.conf import settings
from django.db import connection
from django.utils import timezone

from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.live import ChangedProfile, Signal
from canvases import engine
from canvases.models import Canvas
from lab.bench import live, world

PER_CALL = 75
CLIENTS = 4
SAMPLE_SECONDS = 1.0  # the longest time between two samples; there are at least ten
MAX_SECONDS = 300.0  # how long to wait until the engine is at rest


def measure(*, seconds: int, per_second: int, kinds: Sequence[str]) -> dict[str, Any]:
    """Post events that let people enter one canvas and leave the segment of another.

    Web and engine must be running. Signals and changed profiles "wait" until the engine has
    handled them. ``most_seconds_behind`` is how late, by its schedule, a call ended at worst.
    """
    _launch(kinds)
    world.await_rest(quiet=1, longest=MAX_SECONDS)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # autovacuum would do it within a minute
    everybody = Profile.objects.filter(app_group=world.group()).order_by("pk")
    ids = everybody.values_list("external_id", flat=True)[: seconds * per_second]
    names = [name for name in ids if name]
    bodies = [
        _body([names[number % len(names)] for number in range(first, first + PER_CALL)])
        for first in range(0, seconds * per_second, PER_CALL)
    ]
    end, samples = threading.Event(), [0]
    sessions = [world.session("users.track") for _client in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        sampling = pool.submit(_sample, end, samples, every=min(SAMPLE_SECONDS, seconds / 10))
        started = time.monotonic()
        posts = [
            pool.submit(_post_all, session, bodies[client::CLIENTS], started, per_second, client)
            for client, session in enumerate(sessions)
        ]
        delays = [delay for post in posts for delay in post.result()]
        elapsed = time.monotonic() - started
        n_left = _count_waiting()
        end.set()
        sampling.result()
    return {
        "events_per_second": round(len(bodies) * PER_CALL / elapsed),
        "most_seconds_behind": round(max(delays), 2),
        "most_waiting": max(*samples, n_left),
        "waiting_at_the_end": n_left,
        "seconds_until_none_wait": round(_seconds_until_none_wait(), 2),
    }


def _launch(kinds: Sequence[str]) -> None:
    segment = Segment.objects.create(app_group=world.group(), name="Flood", filter=live.LAPSED)
    live.mirror(segment, kinds)
    canvas, _sync = world.make_canvas(kinds)
    entry = {"entry_by": "event", "entry": {"kind": "event", "name": "order"}}
    Canvas.objects.filter(pk=canvas.pk).update(**entry)
    canvas.refresh_from_db()
    engine.launch(canvas, by=world.user(), now=timezone.now())


def _body(names: Sequence[str]) -> list[dict[str, str]]:
    return [{"external_id": name, "name": "order"} for name in names]


def _post_all(
    session: requests.Session,
    bodies: Sequence[list[dict[str, str]]],
    started: float,
    rate: int,
    client: int,
) -> list[float]:
    """Post the calls of one client, each at its scheduled time; return how late each one ended."""
    delays = []
    for number, body in enumerate(bodies):
        due = started + (number * CLIENTS + client) * PER_CALL / rate
        time.sleep(max(0.0, due - time.monotonic()))
        now = timezone.now().isoformat()
        data = json.dumps({"events": [event | {"time": now} for event in body]})
        session.post(f"{settings.SITE_URL}/users/track", data=data, timeout=60).raise_for_status()
        delays.append(time.monotonic() - due)
    return delays


def _count_waiting() -> int:
    return Signal.objects.count() + ChangedProfile.objects.count()


def _sample(end: threading.Event, samples: list[int], *, every: float) -> None:
    while not end.wait(every):
        samples.append(_count_waiting())


def _seconds_until_none_wait() -> float:
    started = time.monotonic()
    while _count_waiting():
        if time.monotonic() - started > MAX_SECONDS:
            raise SystemExit(f"{_count_waiting()} still wait after {MAX_SECONDS:.0f} s.")
        time.sleep(0.1)
    return time.monotonic() - started
