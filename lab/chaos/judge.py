"""What must be true of a chaos run: watched all the time in one snapshot, and in full once everything is calm again."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases import laws
from canvases.models import Canvas, Visit
from lab.chaos import world
from lab.chaos.people import Journal
from partners.models import Audience, Batch, Connection, Delivery, Outcome, Reason, Sync, Tally

NEVER_FALL = ("entered", "synced", "not_synced", "cancelled")
LOOK_EVERY = 0.5
Ids = set[str]


def watch(*, file: str) -> None:
    """Look again and again until killed; a line of JSON per look."""
    before: dict[int, dict[str, int]] = {}
    while True:
        broken = laws.broken(now=timezone.now())
        tallies = {tally.pk: tally.as_dict() for tally in Tally.objects.all()}
        broken += fallen(before, tallies)
        before = tallies
        sums: Counter[str] = Counter()
        for counts in tallies.values():
            sums.update(counts)
        n_tokens = Connection.objects.exclude(token_sealed="").filter(parked_by="").count()
        with Path(file).open("a") as opened:
            line = {"at": round(time.time(), 1), "broken": broken, "connected": n_tokens, **sums}
            opened.write(json.dumps(line) + "\n")
        time.sleep(LOOK_EVERY)


def fallen(before: dict[int, dict[str, int]], after: dict[int, dict[str, int]]) -> list[str]:
    """L3: counts that never fall, and fell."""
    return [
        f"L3 sync {pk}: {name} fell from {counts[name]} to {after[pk][name]}"
        for pk, counts in before.items()
        for name in NEVER_FALL
        if after[pk][name] < counts[name]
    ]


def calm(*, journals: list[str], seconds: float) -> dict[str, Any]:
    """The faults are over: what was left undone is done, everything is connected, live and retried, until nobody waits."""
    began = time.monotonic()
    undone = [line for file in journals for line in Journal(Path(file)).unfinished()]
    for canvas_id in Canvas.objects.values_list("pk", flat=True):
        world.stop(canvas_id=canvas_id)  # and launched again, so that the last newcomers enter, too
    while time.monotonic() - began < seconds:
        for line in list(undone):
            with suppress(*world.REFUSALS):
                world.DEEDS[line["deed"]](**line["told"])
                undone.remove(line)
        _put_right()
        if not undone and _rests():
            break
        time.sleep(0.5)
    return {"seconds": round(time.monotonic() - began, 1), "rests": not undone and _rests()}


def _put_right() -> None:
    for group in Connection.objects.filter(token_sealed="").values_list(
        "app_group__slug", flat=True
    ):
        with suppress(*world.REFUSALS):
            world.connect(group=group)
    for parked in Connection.objects.exclude(parked_by="").select_related("app_group"):
        with suppress(*world.REFUSALS):  # the token may have been revoked
            world.connect(group=parked.app_group.slug)
    for canvas_id in Canvas.objects.exclude(state=Canvas.State.LIVE).values_list("pk", flat=True):
        world.launch(canvas_id=canvas_id)
    for sync_id in Tally.objects.filter(errored__gt=0).values_list("pk", flat=True):
        world.retry(sync_id=sync_id)


def _rests() -> bool:
    """Nobody waits, nobody errored, everybody is through, and every canvas is live and has looked at everybody."""
    waiting = (
        Batch.objects.filter(state=Outcome.PENDING).exists()
        or Visit.objects.filter(left_at=None).exists()
    )
    restless = Canvas.objects.exclude(state=Canvas.State.LIVE, entry_until=None).exists()
    return not (waiting or restless or Tally.objects.filter(errored__gt=0).exists())


def judge(*, journals: list[str]) -> dict[str, Any]:
    """Everything that can be said at the end: one sentence per thing that is wrong, and what was counted."""
    diaries = [Journal(Path(file)) for file in journals]
    log = _sandbox("requests/?limit=100000").json()["requests"]
    broken = [
        *laws.broken(now=timezone.now()),
        *_leased(),
        *_entered(diaries),
        *_walked(),
        *_members(),
        *_created(diaries),
        *(
            f"L7: a request named {len(line['advertisers'])} ad accounts"
            for line in log
            if _names_several(line)
        ),
    ]
    sums: Counter[str] = Counter()
    for tally in Tally.objects.all():
        sums.update(tally.as_dict())
    codes = Counter(line["fault"] or str(line["code"]) for line in log)
    deeds = Counter(line["deed"] for diary in diaries for line in diary.begun)
    return {
        "broken": broken,
        "people": sums,
        "requests": dict(codes.most_common()),
        "deeds": dict(deeds),
    }


def _names_several(line: dict[str, Any]) -> bool:
    return (
        line["endpoint"] == "segment/mapping"
        and line["code"] == 0
        and len(line["advertisers"]) != 1
    )


def _leased() -> Iterator[str]:
    if n := Batch.objects.exclude(lease="").count():
        yield f"{n} batches are leased although nobody works"


def _entered(diaries: list[Journal]) -> Iterator[str]:
    """Everybody who was told to enter a Sync has, once per deed: nobody lost, nobody twice."""
    asked: Counter[int] = Counter()
    for diary in diaries:
        for line in diary.begun:  # what was unfinished has been done since
            if line["deed"] == "enter":
                asked[line["told"]["sync_id"]] += line["told"]["n"]
    for sync in Sync.objects.filter(label="direct"):
        entered = Tally.objects.filter(pk=sync.pk).values_list("entered", flat=True).first() or 0
        if entered != asked[sync.pk]:
            yield f"sync {sync.pk}: {asked[sync.pk]} people were told to enter, {entered} have"


def _walked() -> Iterator[str]:
    """Everybody of the group is through each of its canvases."""
    for canvas in Canvas.objects.all():
        people = Profile.objects.filter(app_group=canvas.app_group_id).count()
        if canvas.entered != people:
            yield f"canvas {canvas.pk}: the group has {people} people, {canvas.entered} entered"


def _members() -> Iterator[str]:
    """L5: who is in an audience at the partner is the fold of what was synced, in the order of the wishes."""
    for audience in Audience.objects.filter(syncs__isnull=False).distinct():
        there, must, may = _there(audience), *_fold(audience)
        if missing := must - there:
            yield f"L5 audience {audience.pk} {audience.name}: {len(missing)} people are missing at the partner"
        if extra := there - must - may:
            yield f"L5 audience {audience.pk} {audience.name}: {len(extra)} people are at the partner who should not"


def _fold(audience: Audience) -> tuple[Ids, Ids]:
    """Who must be there, and who may be: of what was discarded after a send, nobody can know; it is taken back."""
    rows = Delivery.objects.filter(sync__audience=audience, batch__isnull=False)
    rows = rows.annotate(state=Coalesce("outcome", "batch__state"), seq=F("batch__seq")).order_by(
        "seq", "pk"
    )
    must: dict[str, bool] = {}
    unknown: dict[str, bool] = {}
    reason = Coalesce("reason", "batch__last_code")
    discarded = F("batch__cancel_requested")
    for action, digest, state, why, taken_back in rows.values_list(
        "sync__action", "profile__email_sha256", "state", reason, discarded
    ):
        person = bytes(digest).hex()
        if state == Outcome.SYNCED and not taken_back:
            must[person] = action == "add"
            unknown.pop(person, None)
        elif taken_back or why == Reason.DISCARDED:
            unknown[person] = True
    loose = set(unknown)
    return {one for one, is_in in must.items() if is_in} - loose, loose


def _there(audience: Audience) -> Ids:
    answer = _sandbox(f"audiences/{audience.remote_id}/members/")
    return {json.loads(line)[1] for line in answer.iter_lines()}


def _created(diaries: list[Journal]) -> Iterator[str]:
    """Each audience that was made is at the partner, none of them twice."""
    made = {(told["account"], told["name"]) for diary in diaries for told in diary.told("create")}
    listed = Counter(
        (one["advertiser_id"], one["name"]) for one in _sandbox("audiences/").json()["audiences"]
    )
    twice = {wish for wish, n in listed.items() if n > 1}
    for account, name in sorted(twice | made - listed.keys()):
        yield f"audience {name} of {account}: {listed[account, name]} at the partner instead of one"


def _sandbox(path: str) -> requests.Response:
    answer = requests.get(f"{settings.TIKTOK_API_URL}/sandbox/api/{path}", timeout=60)
    answer.raise_for_status()
    return answer
