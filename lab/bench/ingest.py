"""Measure how many profiles a second the REST API takes, from several clients at once."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from django.conf import settings

from audiencesync.people.models import Profile
from lab.bench import world

PER_CALL = 75
CLIENTS = 4


def measure(*, n: int) -> dict[str, Any]:
    """Post ``n`` new people to the web process in full calls."""
    sessions = [world.session("users.track") for _client in range(CLIENTS)]
    bodies = [_body(first) for first in range(0, n, PER_CALL)]
    n_before = Profile.objects.count()
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        posts = pool.map(
            lambda client: _post_all(sessions[client], bodies[client::CLIENTS]), range(CLIENTS)
        )
        call_seconds = sorted(seconds for post in posts for seconds in post)
    seconds = time.perf_counter() - started
    n_new = Profile.objects.count() - n_before
    return {
        "profiles": n_new,
        "seconds": round(seconds, 2),
        "profiles_per_second": round(n_new / seconds),
        "p50_ms": round(1000 * call_seconds[len(call_seconds) // 2]),
        "p95_ms": round(1000 * call_seconds[len(call_seconds) * 95 // 100]),
    }


def _post_all(session: requests.Session, bodies: list[bytes]) -> list[float]:
    """Post these bodies one after the other; return the seconds of each call."""
    call_seconds = []
    for body in bodies:
        started = time.perf_counter()
        session.post(f"{settings.SITE_URL}/users/track", data=body, timeout=60).raise_for_status()
        call_seconds.append(time.perf_counter() - started)
    return call_seconds


def _body(first: int) -> bytes:
    """Return one call: people with an e-mail address, a phone and attributes."""
    people = [
        {
            "external_id": f"ingest-{time.time_ns()}-{number}",
            "email": f"person.{number}@example.org",
            "phone": f"+4915112{number % 1_000_000:06}",
            "country": "DE",
            "plan": "gold",
            "orders": number % 50,
        }
        for number in range(first, first + PER_CALL)
    ]
    return json.dumps({"attributes": people}).encode()
