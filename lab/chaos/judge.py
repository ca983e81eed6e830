"""Check a chaos run: the laws during the storm (`watch`), and everything after it (`judge`).

L3, L5, L6 and L7 are numbers of laws in docs/reliability.md.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from audiencesync.core import beat
from audiencesync.people.models import Profile
from canvases import laws
from canvases.models import Canvas, Visit
from lab.chaos import world
from lab.chaos.actors import Journal
from lab.stack.sandbox import SandboxClient
from partners.laws import LEASE_GRACE
from partners.models import Audience, Batch, Connection, Delivery, Outcome, Reason, Sync, Tally

NEVER_DECREASE = ("entered", "synced", "not_synced", "cancelled")
WATCH_SECONDS = 0.5
# If the last heartbeat is older than this, no engine works.
SILENCE = timedelta(seconds=beat.HEARTBEAT_SECONDS + 2)
LOG_LIMIT = 100_000
Hashes = set[str]


def watch(*, file: str) -> None:
    """Check the laws until killed; append a line of JSON per check."""
    before: dict[int, dict[str, int]] = {}
    began = timezone.now()
    lease_time = LeaseTime(began)
    while True:
        now = timezone.now()
        heartbeat = beat.last_heartbeat() or began
        law_time = lease_time.read(now, heartbeat)
        broken = laws.broken(now=law_time)
        tallies = {tally.pk: tally.as_dict() for tally in Tally.objects.all()}
        broken += decreased_counts(before, tallies)
        before = tallies
        sums: Counter[str] = Counter()
        for counts in tallies.values():
            sums.update(counts)
        n_tokens = Connection.objects.exclude(token_sealed="").filter(parked_by="").count()
        with Path(file).open("a") as opened:
            line = {
                "at": round(now.timestamp(), 1),
                "broken": broken,
                "leases": law_time == now,  # whether this check could find an expired lease
                "silence": round((now - heartbeat).total_seconds(), 1),
                "connected": n_tokens,
                **sums,
            }
            opened.write(json.dumps(line) + "\n")
        time.sleep(WATCH_SECONDS)


class LeaseTime:
    """A clock for law L6, which says that expired leases are reclaimed in time.

    It stops while no engine works, because strikes, or a stopped process that holds a lock of the
    database, can keep all engines from working for longer than LEASE_GRACE. It continues when the
    engines have worked for a whole LEASE_GRACE again. The other limit of L6, DEADLINE_GRACE, needs
    no such clock: it is far longer than any standstill.
    """

    def __init__(self, now: datetime) -> None:
        self.silent_at = now  # when no engine worked last
        self.law_time = now

    def read(self, now: datetime, heartbeat: datetime) -> datetime:
        """Return ``now`` if engines have worked for all of LEASE_GRACE, else an earlier time."""
        if now - heartbeat > SILENCE:
            self.silent_at = now
        if now - self.silent_at >= LEASE_GRACE:
            self.law_time = now
        return self.law_time


def decreased_counts(
    before: dict[int, dict[str, int]], after: dict[int, dict[str, int]]
) -> list[str]:
    """Return the counts that decreased, which breaks L3."""
    return [
        f"L3 sync {pk}: {name} fell from {counts[name]} to {after[pk][name]}"
        for pk, counts in before.items()
        for name in NEVER_DECREASE
        if after[pk][name] < counts[name]
    ]


def calm(*, journals: list[str], seconds: float) -> dict[str, Any]:
    """After the faults: finish all acts, connect, launch and retry until no person is pending.

    Return {"seconds": how long it took, "rests": whether this happened within ``seconds``}.
    """
    started = time.monotonic()
    unfinished = [line for file in journals for line in Journal(Path(file)).unfinished()]
    for canvas_id in Canvas.objects.values_list("pk", flat=True):
        world.stop(canvas_id=canvas_id)  # `_repair` relaunches it, which admits the newest profiles
    while time.monotonic() - started < seconds:
        for line in list(unfinished):
            with suppress(*world.REFUSALS):
                world.ACTS[line["act"]](**line["arguments"])
                unfinished.remove(line)
        _repair()
        if not unfinished and _is_at_rest():
            break
        time.sleep(0.5)
    is_at_rest = not unfinished and _is_at_rest()
    return {"seconds": round(time.monotonic() - started, 1), "rests": is_at_rest}


def _repair() -> None:
    """Reconnect, relaunch and retry whatever the storm has left broken."""
    disconnected = Connection.objects.filter(token_sealed="")
    parked = Connection.objects.exclude(parked_by="")  # their tokens may have been revoked
    for connection in (*disconnected, *parked):
        with suppress(*world.REFUSALS):
            world.connect(group=connection.app_group.slug)
    for canvas_id in Canvas.objects.exclude(state=Canvas.State.LIVE).values_list("pk", flat=True):
        world.launch(canvas_id=canvas_id)
    for sync_id in Tally.objects.filter(errored__gt=0).values_list("pk", flat=True):
        world.retry(sync_id=sync_id)


def _is_at_rest() -> bool:
    """Return whether all canvases are live, all visits over, and no person pending or errored."""
    return not (
        Batch.objects.filter(state=Outcome.PENDING).exists()
        or Visit.objects.filter(left_at=None).exists()
        or Canvas.objects.exclude(state=Canvas.State.LIVE, entry_until=None).exists()
        or Tally.objects.filter(errored__gt=0).exists()
    )


def judge(*, journals: list[str]) -> dict[str, Any]:
    """Return one sentence per violation, and the counts of the run."""
    actor_journals = [Journal(Path(file)) for file in journals]
    log = _sandbox().requests(limit=LOG_LIMIT)["requests"]
    broken = [
        *laws.broken(now=timezone.now()),
        *_check_leases(),
        *_check_entered(actor_journals),
        *_check_admitted(),
        *_check_members(),
        *_check_created(actor_journals),
        *_check_accounts(log),
    ]
    sums: Counter[str] = Counter()
    for tally in Tally.objects.all():
        sums.update(tally.as_dict())
    codes = Counter(line["fault"] or str(line["code"]) for line in log)
    return {
        "broken": broken,
        "people": sums,
        "requests": dict(codes.most_common()),
        "acts": dict(Counter(line["act"] for journal in actor_journals for line in journal.begun)),
    }


def _check_accounts(log: Sequence[dict[str, Any]]) -> Iterator[str]:
    """L7: each accepted mapping request names one ad account."""
    for line in log:
        n = len(line["advertisers"])
        if line["endpoint"] == "segment/mapping" and line["code"] == 0 and n != 1:
            yield f"L7: a request named {n} ad accounts"


def _check_leases() -> Iterator[str]:
    if n := Batch.objects.exclude(lease="").count():
        yield f"{n} batches are leased although no worker runs"


def _check_entered(journals: list[Journal]) -> Iterator[str]:
    """Each person of an "enter" act has entered its Sync exactly once."""
    expected: Counter[int] = Counter()
    for journal in journals:
        for line in journal.begun:  # `calm` has finished those that were interrupted
            if line["act"] == "enter":
                expected[line["arguments"]["sync_id"]] += line["arguments"]["n"]
    for sync in Sync.objects.filter(label="direct"):
        entered = Tally.objects.filter(pk=sync.pk).values_list("entered", flat=True).first() or 0
        if entered != expected[sync.pk]:
            yield f"sync {sync.pk}: {expected[sync.pk]} people should have entered, {entered} have"


def _check_admitted() -> Iterator[str]:
    """All people of a group have entered each of its canvases."""
    for canvas in Canvas.objects.all():
        people = Profile.objects.filter(app_group=canvas.app_group_id).count()
        if canvas.entered != people:
            yield f"canvas {canvas.pk}: the group has {people} people, {canvas.entered} entered"


def _check_members() -> Iterator[str]:
    """L5: the members at the partner are those that the synced deliveries, in order, result in."""
    for audience in Audience.objects.filter(syncs__isnull=False).distinct():
        members = {digest for _schema, digest in _sandbox().members(audience.remote_id)}
        expected, possible = _expected_members(audience)
        if missing := expected - members:
            yield f"L5 audience {audience.pk} {audience.name}: {len(missing)} members are missing"
        if extra := members - expected - possible:
            yield f"L5 audience {audience.pk} {audience.name}: {len(extra)} members are too many"


def _expected_members(audience: Audience) -> tuple[Hashes, Hashes]:
    """Return the hashes that must be members, and those that may be.

    If a delivery is discarded while its request is on the way, the person may be a member or not.
    """
    rows = Delivery.objects.filter(sync__audience=audience, batch__isnull=False)
    rows = rows.annotate(state=Coalesce("outcome", "batch__state"), seq=F("batch__seq")).order_by(
        "seq", "pk"
    )
    is_member: dict[str, bool] = {}
    unknown: set[str] = set()
    reason = Coalesce("reason", "batch__last_code")
    cancelled = F("batch__cancel_requested")
    for action, digest, state, delivery_reason, is_cancelled in rows.values_list(
        "sync__action", "profile__email_sha256", "state", reason, cancelled
    ):
        person = bytes(digest).hex()
        if state == Outcome.SYNCED and not is_cancelled:
            is_member[person] = action == "add"
            unknown.discard(person)
        elif is_cancelled or delivery_reason == Reason.DISCARDED:
            unknown.add(person)
    return {person for person, is_in in is_member.items() if is_in} - unknown, unknown


def _check_created(journals: list[Journal]) -> Iterator[str]:
    """Each created audience exists exactly once at the partner."""
    created = {
        (arguments["account"], arguments["name"])
        for journal in journals
        for arguments in journal.arguments("create")
    }
    listed = Counter((row["advertiser_id"], row["name"]) for row in _sandbox().audiences())
    repeated = {key for key, n in listed.items() if n > 1}
    for account, name in sorted(repeated | created - listed.keys()):
        yield f"audience {name} of {account}: {listed[account, name]} at the partner instead of one"


def _sandbox() -> SandboxClient:
    return SandboxClient(settings.TIKTOK_API_URL)
