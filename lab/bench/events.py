"""Measure the time from one REST call to its person being synced at the sandbox."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import requests
from django.conf import settings
from django.utils import timezone

from canvases.models import Canvas
from lab.bench import world
from partners.models import Delivery, Outcome, Sync, Tally

CALL_INTERVAL = 0.37  # seconds; no divisor of a beat's interval, so calls hit all parts of it
MAX_SECONDS = 120.0  # how long to wait until all people are synced


def measure(*, n: int, kinds: Sequence[str]) -> dict[str, Any]:
    """Post ``n`` calls, each with one new person who enters a live canvas at once.

    Measure from just before the call to ``settled_at`` of the person's batch, which the engine sets
    after the sandbox's answer. Web process and engine must be running.
    """
    canvas, sync = world.make_canvas(kinds)
    # Live without a launch, which would admit all people.
    Canvas.objects.filter(pk=canvas.pk).update(state=Canvas.State.LIVE)
    Sync.objects.filter(pk=sync.pk).update(is_live=True)
    posted_at = {}
    with world.session("canvas.trigger", "users.track") as session:
        for number in range(n):
            name = f"event-{canvas.pk}-{number}"
            posted_at[name] = timezone.now()
            _post(session, canvas, name)
            time.sleep(CALL_INTERVAL)
    _await_settled(sync, n)
    seconds = sorted(_seconds_to_synced(sync, posted_at))
    if len(seconds) < n:
        raise SystemExit(f"Of {n} people {len(seconds)} were synced.")
    return {"events": n} | {
        f"p{percent}_seconds": _percentile(seconds, percent) for percent in (50, 95, 100)
    }


def _post(session: requests.Session, canvas: Canvas, name: str) -> None:
    recipient = {
        "external_user_id": name,
        "send_to_existing_only": False,
        "attributes": {"email": f"{name}@example.org"},
    }
    body = {"canvas_id": str(canvas.api_id), "recipients": [recipient]}
    answer = session.post(f"{settings.SITE_URL}/canvas/trigger/send", json=body, timeout=60)
    answer.raise_for_status()
    if answer.json()["entered"] != 1:
        raise SystemExit(f"A call entered no profile: {answer.text}")


def _await_settled(sync: Sync, n: int) -> None:
    deadline = time.monotonic() + MAX_SECONDS
    while time.monotonic() < deadline:
        if Tally.objects.filter(pk=sync.pk, entered__gte=n, pending=0).exists():
            return
        time.sleep(0.2)


def _seconds_to_synced(sync: Sync, posted_at: dict[str, datetime]) -> list[float]:
    synced = Delivery.objects.filter(sync=sync, batch__state=Outcome.SYNCED)
    times = synced.values_list("profile__external_id", "batch__settled_at")
    return [
        (settled_at - posted_at[name]).total_seconds()
        for name, settled_at in times
        if name in posted_at and settled_at
    ]


def _percentile(seconds: Sequence[float], percent: int) -> float:
    return round(seconds[min(len(seconds) - 1, len(seconds) * percent // 100)], 2)
