"""Measure how fast one thread builds requests: from stored hashes, from rows, from raw values."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from audiencesync.people.identifiers import normalise
from audiencesync.people.models import KINDS, Profile
from lab.bench import world
from partners import registry
from partners.base import Action, Cells
from partners.models import Batch, Outcome
from partners.queue import push

PER_REQUEST = 10_000
TIMES = 3
ADVERTISER = "7012345678901234567"


def best(act: Callable[[], int]) -> int:
    """Return the people per CPU second of the fastest run; ``act`` returns how many it handled."""
    rates = []
    for _ in range(TIMES):
        started = time.process_time()
        n = act()
        rates.append(n / max(time.process_time() - started, 1e-9))
    return round(max(rates))


def build(rows: Sequence[Sequence[bytes | None]], kinds: Sequence[str]) -> int:
    """Build the request bodies of these people; return how many people."""
    partner = registry.get("tiktok")
    for start in range(0, len(rows), PER_REQUEST):
        cells = [Cells((ADVERTISER,), rows[start : start + PER_REQUEST])]
        partner.build_call(ADVERTISER, Action.ADD, kinds, cells)
    return len(rows)


def measure(*, n: int) -> dict[str, Any]:
    """Measure ``n`` people of the database, in CPU time of one thread."""
    people = Profile.objects.filter(app_group=world.group()).order_by("pk")[:n]
    raws: list[normalise.Raw] = list(people.values_list(*KINDS))
    stored = [
        tuple(_bytes(digest) for digest in row)
        for row in people.values_list(*(f"{kind}_sha256" for kind in KINDS))
    ]
    emails = [row[:1] for row in stored if row[0]]
    sendable = [row for row in stored if any(row)]
    clean = [raw for raw in raws if is_clean(raw)]
    return {
        "people": len(raws),
        "from_stored_email": best(lambda: build(emails, KINDS[:1])),
        "from_stored_all_kinds": best(lambda: build(sendable, KINDS)),
        "from_raw": best(lambda: from_raw(raws)),
        "from_raw_clean": best(lambda: from_raw(clean)),
        "clean": round(len(clean) / len(raws), 3),
    }


def is_clean(raw: normalise.Raw) -> bool:
    """Return whether every value is already spelt as the partner wants it."""
    return all(
        not value or normalise.normalise(kind, value, region="DE").value == value
        for kind, value in zip(KINDS, raw, strict=True)
    )


def from_raw(raws: Sequence[normalise.Raw]) -> int:
    """Normalise and hash, then build the bodies of the people with a usable identifier."""
    hashes = normalise.hash_rows(raws, region="DE")
    build([row[:4] for row in hashes if any(row[:4])], KINDS)
    return len(raws)


def from_database() -> int:
    """Return the people per elapsed second of reading each pending batch and building its body."""
    started, n = time.perf_counter(), 0
    for batch in Batch.objects.filter(state=Outcome.PENDING):
        n += build(push.rows_of(batch), batch.kinds)
    return round(n / (time.perf_counter() - started)) if n else 0


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
