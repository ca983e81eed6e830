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
REPETITIONS = 3
ADVERTISER = "7012345678901234567"


def best_rate(work: Callable[[], int]) -> int:
    """Return the people per CPU second of the fastest run; ``work`` returns how many it handled."""
    rates = []
    for _ in range(REPETITIONS):
        started = time.process_time()
        n = work()
        rates.append(n / max(time.process_time() - started, 1e-9))
    return round(max(rates))


def build_bodies(rows: Sequence[Sequence[bytes | None]], kinds: Sequence[str]) -> int:
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
    stored_hashes = [
        tuple(_bytes(digest) for digest in row)
        for row in people.values_list(*(f"{kind}_sha256" for kind in KINDS))
    ]
    emails = [row[:1] for row in stored_hashes if row[0]]
    sendable = [row for row in stored_hashes if any(row)]
    clean = [raw for raw in raws if is_clean(raw)]
    return {
        "people": len(raws),
        "from_stored_email": best_rate(lambda: build_bodies(emails, KINDS[:1])),
        "from_stored_all_kinds": best_rate(lambda: build_bodies(sendable, KINDS)),
        "from_raw": best_rate(lambda: build_from_raw(raws)),
        "from_raw_clean": best_rate(lambda: build_from_raw(clean)),
        "clean": round(len(clean) / len(raws), 3),
    }


def is_clean(raw: normalise.Raw) -> bool:
    """Return whether every value is already spelt as the partner wants it."""
    return all(
        not value or normalise.normalise(kind, value, region="DE").value == value
        for kind, value in zip(KINDS, raw, strict=True)
    )


def build_from_raw(raws: Sequence[normalise.Raw]) -> int:
    """Normalise and hash, then build the bodies of the people with a usable identifier."""
    hashes = normalise.hash_rows(raws, region="DE")
    # The first four columns are the hashes of KINDS, in their order.
    build_bodies([row[:4] for row in hashes if any(row[:4])], KINDS)
    return len(raws)


def rate_from_database() -> int:
    """Return the people per elapsed second of reading each pending batch and building its body."""
    started, n = time.perf_counter(), 0
    for batch in Batch.objects.filter(state=Outcome.PENDING):
        n += build_bodies(push.rows_of(batch), batch.kinds)
    return round(n / (time.perf_counter() - started)) if n else 0


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
