"""How fast one thread builds requests: from stored hashes in memory, from the database, and from raw identifiers."""

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
    """People per second of the fastest of a few runs; ``act`` answers how many people it handled."""
    rates = []
    for _ in range(TIMES):
        started = time.process_time()
        n = act()
        rates.append(n / max(time.process_time() - started, 1e-9))
    return round(max(rates))


def build(rows: Sequence[Sequence[bytes | None]], kinds: Sequence[str]) -> int:
    """Write the bodies for these people."""
    partner = registry.get("tiktok")
    for start in range(0, len(rows), PER_REQUEST):
        cells = [Cells((ADVERTISER,), rows[start : start + PER_REQUEST])]
        partner.build_body(ADVERTISER, Action.ADD, kinds, cells)
    return len(rows)


def measure(*, n: int) -> dict[str, Any]:
    """CPU time of one thread, for ``n`` of the people in the database."""
    people = Profile.objects.filter(app_group=world.group()).order_by("pk")[:n]
    raws: list[normalise.Raw] = list(people.values_list(*KINDS))
    stored = [
        tuple(_bytes(one) for one in row)
        for row in people.values_list(*(f"{kind}_sha256" for kind in KINDS))
    ]
    emails = [row[:1] for row in stored if row[0]]
    several = [row for row in stored if any(row)]
    clean = [raw for raw in raws if is_clean(raw)]
    return {
        "people": len(raws),
        "from_stored_email": best(lambda: build(emails, KINDS[:1])),
        "from_stored_all_kinds": best(lambda: build(several, KINDS)),
        "from_raw": best(lambda: from_raw(raws)),
        "from_raw_clean": best(lambda: from_raw(clean)),
        "clean": round(len(clean) / len(raws), 3),
    }


def is_clean(raw: normalise.Raw) -> bool:
    """Whether all that is there is spelt as the partner wants it."""
    return all(
        not one or normalise.normalise(kind, one, region="DE").value == one
        for kind, one in zip(KINDS, raw, strict=True)
    )


def from_raw(raws: Sequence[normalise.Raw]) -> int:
    """Normalise, hash, write the bodies; who has nothing usable is left out."""
    hashes = normalise.hash_rows(raws, region="DE")
    build([row[:4] for row in hashes if any(row[:4])], KINDS)
    return len(raws)


def from_database() -> int:
    """People per second of elapsed time: read each pending batch joined to the profiles, and write its body."""
    started, n = time.perf_counter(), 0
    for batch in Batch.objects.filter(state=Outcome.PENDING):
        n += build(push.rows_of(batch), batch.kinds)
    return round(n / (time.perf_counter() - started)) if n else 0


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
