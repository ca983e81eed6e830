"""Measure canvases with branches: crowds at a split, waits for an event, a page of 200 steps."""

from __future__ import annotations

import re
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import requests
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audiencesync.core import chunks
from audiencesync.groups.models import Membership, Role
from audiencesync.people.models import Event, Profile, Segment
from canvases import engine
from canvases.editing import edit
from canvases.engine import admission
from canvases.engine.crowds import Ends
from canvases.models import Canvas, Step, StepTally, Visit
from lab.bench import live, world

GERMAN = {"field": "country", "op": "is", "value": "DE"}
BOUGHT = {"event": "order", "op": "at_least", "n": 1, "days": 30}
SPLIT = {"filter": {"any": [GERMAN, BOUGHT]}}
ONE_DAY = {"amount": 1, "unit": "days"}
WAITED_FOR = {"number": 1, "label": "Order", "kind": "event", "name": "bench order", "where": []}
WAIT = {"amount": 9, "unit": "days", "events": [WAITED_FOR]}
EVENTS_PER_CALL = 20
ATTRIBUTES_PER_CALL = 75
MAX_SECONDS = 300.0  # how long to wait until people have moved


def splits(*, limit: int = 0, every: int = 1, has_backup: bool = False) -> dict[str, Any]:
    """Move people through a delay, then a split by an attribute and an event.

    Runs in this process; no engine may run beside it. ``limit``: the most people, 0 for all.
    ``every``: only every n-th person takes part. ``has_backup``: another connection keeps a
    snapshot from before the first crowd to after the last, as a backup does.
    """
    if not Event.objects.exists():
        live.make_events()
    canvas = _canvas("Everybody", {})
    delay = Step.objects.create(canvas=canvas, kind="delay", settings=ONE_DAY)
    split = Step.objects.create(canvas=canvas, kind="decision_split", settings=SPLIT, parent=delay)
    Step.objects.create(canvas=canvas, kind="delay", settings=ONE_DAY, parent=split, branch=1)
    engine.launch(canvas, by=world.user(), now=timezone.now())
    n_waiting = _admit(canvas, limit=limit, every=every)
    later = timezone.now() + timedelta(days=1)
    with _snapshot() if has_backup else nullcontext():
        started = time.monotonic()
        crowd_seconds = _move_crowds(delay, now=later)
        seconds = time.monotonic() - started
    by_branch = dict(split.branch_tallies.values_list("branch", "n"))
    if sum(by_branch.values()) != n_waiting:
        raise SystemExit(f"{n_waiting} waited, the branches say {by_branch}.")
    return {
        "people": n_waiting,
        "yes": by_branch.get(1, 0),
        "seconds": round(seconds, 2),
        "people_per_second": round(n_waiting / seconds),
        "crowd_ms": round(1000 * statistics.median(crowd_seconds), 1),
        "most_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _admit(canvas: Canvas, *, limit: int, every: int) -> int:
    """Let people enter as the engine does after a launch; return how many."""
    Canvas.objects.filter(pk=canvas.pk).update(entry_until=None)  # the engine itself admits no one
    profiles = Profile.objects.filter(app_group=canvas.app_group)
    profiles = profiles.alias(remainder=F("pk") % every).filter(remainder=0)
    n = 0
    for ids in chunks.ids(profiles, admission.ADMISSION_CHUNK):
        last = ids[-1] if not limit else ids[: limit - n][-1]
        people = profiles.filter(pk__gte=ids[0], pk__lte=last).order_by("pk")
        with transaction.atomic():
            canvas = Canvas.objects.select_for_update().get(pk=canvas.pk)
            crowd = admission.Entrants(people, is_new=True)
            n += admission.enter(canvas, crowd, now=timezone.now())
        if n == limit:
            break
    return n


@contextmanager
def _snapshot() -> Iterator[None]:
    """Keep a transaction open that sees the database as it is now."""
    other = connection.copy()
    begin = "BEGIN" + " ISOLATION LEVEL REPEATABLE READ" * (other.vendor == "postgresql")
    try:
        with other.cursor() as cursor:
            cursor.execute(begin)
            cursor.execute("SELECT count(*) FROM django_migrations")
            yield
    finally:
        other.close()


def _move_crowds(step: Step, *, now: datetime) -> list[float]:
    """Move all who are due at a step; return how many seconds each crowd took."""
    seconds, started, ends = list[float](), time.monotonic(), Ends()
    while engine.advance(step.pk, now=now, ends=ends):
        seconds.append(time.monotonic() - started)
        started = time.monotonic()
    return seconds


def waits(*, seconds: int, per_second: int, kinds: Sequence[str]) -> dict[str, Any]:
    """Measure from the post of an event until the person who waits for it has moved on.

    Web and engine must be running. ``kinds`` is ignored: nothing is sent to the partner.
    """
    names = [f"wait-{number}" for number in range(seconds * per_second)]
    with world.session("users.track") as session:
        for part in _parts(names, ATTRIBUTES_PER_CALL):
            people = [{"external_id": name, "bench_waits": "in"} for name in part]
            world.track(session, {"attributes": people})
        next_step = _launch_wait(len(names))
        posted_at = _post_events(session, names, rate=per_second)
    deadline = time.monotonic() + MAX_SECONDS
    arrivals = Visit.objects.filter(step=next_step)
    while arrivals.count() < len(names) and time.monotonic() < deadline:
        time.sleep(0.25)
    times = sorted(
        at.timestamp() - posted_at[name]
        for name, at in arrivals.values_list("profile__external_id", "arrived_at")
        if name and at
    )
    if len(times) < len(names):
        raise SystemExit(f"Of {len(names)} people {len(times)} moved on.")
    percentiles = {
        f"p{percent}_seconds": round(times[len(times) * percent // 100 - 1], 2)
        for percent in (50, 95, 100)
    }
    return {"events_per_second": per_second, "events": len(names)} | percentiles


def _launch_wait(n: int) -> Step:
    """Launch a canvas whose ``n`` people wait for an event; return the step after the wait."""
    canvas = _canvas("Waits", {"field": "custom.bench_waits", "op": "is", "value": "in"})
    wait = Step.objects.create(canvas=canvas, kind="wait_until", settings=WAIT)
    after = Step.objects.create(
        canvas=canvas, kind="delay", settings=ONE_DAY, parent=wait, branch=1
    )
    engine.launch(canvas, by=world.user(), now=timezone.now())
    deadline = time.monotonic() + MAX_SECONDS
    while Visit.objects.filter(step=wait).count() < n:
        if time.monotonic() > deadline:
            raise SystemExit("The people did not come to the wait.")
        time.sleep(0.25)
    return after


def _parts(names: Sequence[str], size: int) -> list[Sequence[str]]:
    return [names[first : first + size] for first in range(0, len(names), size)]


def _post_events(session: requests.Session, names: Sequence[str], *, rate: int) -> dict[str, float]:
    """Post one event for each name; return external id -> when its call began."""
    posted_at: dict[str, float] = {}
    started = time.time()
    for number, part in enumerate(_parts(names, EVENTS_PER_CALL)):
        time.sleep(max(0.0, started + number * EVENTS_PER_CALL / rate - time.time()))
        at = timezone.now().isoformat()
        events = [{"external_id": name, "name": "bench order", "time": at} for name in part]
        posted_at |= dict.fromkeys(part, time.time())
        world.track(session, {"events": events})
    return posted_at


def page(*, times: int) -> dict[str, Any]:
    """Open a canvas of 200 steps, refresh its counters and duplicate it, in this process.

    Each page is opened ``times`` times; the fastest answer counts.
    """
    canvas = _canvas("Everybody", {})
    canvas.launched_at = timezone.now()
    canvas.save(update_fields=["launched_at"])
    _add_steps(canvas, edit.MAX_STEPS)
    user = world.user()
    Membership.objects.get_or_create(
        app_group=canvas.app_group, user=user, defaults={"role": Role.MARKETER}
    )
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    place = [canvas.app_group.slug, canvas.pk]
    views = ("canvas", "canvas_counts", "canvas_duplicate")
    url, counts, duplicate = (reverse(view, args=place) for view in views)
    version = re.search(r"[?]v=([\w-]+)", client.get(url).content.decode())
    if version is None:
        raise SystemExit("The page of the canvas did not open.")
    poll = f"{counts}?v={version[1]}"
    htmx = {"headers": {"HX-Request": "true"}}
    tallies = StepTally.objects.filter(step__canvas=canvas)
    fastest = partial(_fastest, client, times)
    results = {"steps": canvas.steps.count(), "open": fastest(url)}
    results["counters_unchanged"] = fastest(poll, **htmx)
    tallies.filter(pk=canvas.steps.values("pk")[:1]).update(entered=10, waiting=10)
    results["counters"] = fastest(poll, **htmx)
    tallies.update(entered=11, waiting=11)
    results["counters_all_changed"] = fastest(poll, **htmx)
    tallies.delete()  # the made-up counters would count visits that do not exist
    cpu, wall = _timed(client.post, duplicate)
    n = Canvas.objects.latest("pk").steps.count()
    if n != edit.MAX_STEPS:
        raise SystemExit(f"The duplicate has {n} steps.")
    return results | {"duplicate": {"cpu_ms": round(1000 * cpu, 1), "ms": round(1000 * wall, 1)}}


def _fastest(client: Client, n: int, url: str, **options: Any) -> dict[str, float]:
    """Return the shortest CPU and the shortest wall time of ``n`` answers."""
    times = [_timed(client.get, url, **options) for _i in range(n)]
    cpu, wall = (min(seconds) for seconds in zip(*times, strict=True))
    return {"cpu_ms": round(1000 * cpu, 1), "ms": round(1000 * wall, 1)}


def _timed(request: Callable[..., Any], url: str, **options: Any) -> tuple[float, float]:
    """Return the CPU and wall seconds of an answer."""
    cpu, wall = time.process_time(), time.perf_counter()
    request(url, **options)
    return time.process_time() - cpu, time.perf_counter() - wall


def _add_steps(canvas: Canvas, n: int) -> None:
    """Add ``n`` steps: splits, paths and waits in turn, two steps in each of their two branches."""
    _other_canvas, sync = world.make_canvas(["email"])
    settings: dict[str, Any] = {
        "ad_account": sync.audience.ad_account_id,
        "audience": sync.audience_id,
    }
    settings |= {"action": sync.action, "kinds": sync.kinds}
    paths = {"paths": [{"number": 1, "name": "German", "filter": GERMAN}]}
    kinds: list[tuple[str, dict[str, Any], int]] = [
        ("decision_split", SPLIT, 2),
        ("audience_paths", paths, 8),
        ("wait_until", WAIT, 8),
    ]
    parent = None
    for block in range(n // 5):
        kind, block_settings, last_branch = kinds[block % 3]
        parent = Step.objects.create(
            canvas=canvas, parent=parent, kind=kind, settings=block_settings
        )
        for branch in (1, last_branch):
            place = {"canvas": canvas, "parent": parent, "branch": branch}
            delay = Step.objects.create(kind="delay", settings=ONE_DAY, **place)
            sync_step = Step.objects.create(
                canvas=canvas,
                parent=delay,
                kind="audience_sync",
                sync=sync,
                settings=settings,
            )
            sync_step.syncs.add(sync)
    tallies = [StepTally(step=step, entered=9, waiting=9) for step in canvas.steps.all()]
    StepTally.objects.bulk_create(tallies)


def _canvas(name: str, conditions: dict[str, str]) -> Canvas:
    """Make a canvas for the people of a segment."""
    group = world.group()
    segment, _is_new = Segment.objects.get_or_create(
        app_group=group, name=name, defaults={"filter": conditions}
    )
    return Canvas.objects.create(app_group=group, name=f"bench {name}", segment=segment)
