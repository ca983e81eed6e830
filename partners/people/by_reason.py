"""How many people have which outcome for which reason, with bounded work however many they are."""

from __future__ import annotations

from collections.abc import Iterable

from partners.models import Batch, Outcome, Tally
from partners.people import counted

MOST = 50_000
"""People of one Sync, outcome and reason who are counted."""
MOST_BATCHES = 10_000
"""Newest batches of one Sync and outcome that are looked at."""
UNSYNCED = tuple(one for one in Outcome if one != Outcome.SYNCED)
OF_BATCHES = (Outcome.PENDING, Outcome.ERRORED, Outcome.CANCELLED)
OF_DELIVERIES = (Outcome.NOT_SYNCED, Outcome.ERRORED, Outcome.CANCELLED)


class Reasons(dict[str, dict[str, int]]):
    """Outcome -> reason or code -> people who are not synced.

    ``rest``: outcome -> how many more there are than were counted. The numbers of its reasons are
    the least they can be.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rest: dict[str, int] = {}

    def add(self, outcome: str, reason: str, n: int) -> None:
        """Count ``n`` more people."""
        if n:
            by_reason = self.setdefault(outcome, {})
            by_reason[reason] = by_reason.get(reason, 0) + n


def of_syncs(syncs: Iterable[int], outcomes: Iterable[Outcome] = UNSYNCED) -> Reasons:
    """Return why people of these Syncs are not synced. counted.py lists those of each number."""
    found = Reasons()
    tallies = list(Tally.objects.filter(pk__in=list(syncs)).order_by("pk"))
    for outcome in outcomes:
        for tally in tallies:
            for reason, n in tally.base.get(outcome, {}).items():
                found.add(outcome, reason, n)
        _count(found, outcome, tallies)
    return found


def _count(found: Reasons, outcome: Outcome, tallies: Iterable[Tally]) -> None:
    """Add the people with one outcome, who are in as many rows as they may be."""
    total, is_cut, uncounted = 0, False, set[str]()
    for tally in tallies:
        n: int = getattr(tally, outcome)
        total += n
        if n and outcome in OF_BATCHES:
            is_cut = _add_batches(found, outcome, tally.pk) or is_cut
        if n and outcome in OF_DELIVERIES:
            uncounted |= _add_deliveries(found, outcome, tally.pk)
    more = total - sum(found.get(outcome, {}).values())
    if more <= 0 or not (is_cut or uncounted):
        return
    if is_cut or len(uncounted) > 1:
        found.rest[outcome] = more
    else:  # all others are counted: these are the rest of one reason
        found.add(outcome, uncounted.pop(), more)


def _add_batches(found: Reasons, outcome: Outcome, sync: int) -> bool:
    """Add people who share the outcome of their batch; return whether there are more batches."""
    newest = Batch.objects.filter(sync=sync, state=outcome).order_by("-pk")
    rows = list(newest.values_list("last_code", "n")[: MOST_BATCHES + 1])
    for code, n in rows[:MOST_BATCHES]:
        found.add(outcome, code, n)
    return len(rows) > MOST_BATCHES


def _add_deliveries(found: Reasons, outcome: Outcome, sync: int) -> set[str]:
    """Add people with an outcome of their own; return the reasons that more of them have."""
    uncounted = set()
    for reason in list(counted.own_reasons(sync, outcome)):
        rows = counted.deliveries(sync, outcome, reason).order_by().values("pk")
        n = rows[: MOST + 1].count()
        found.add(outcome, reason or "", min(n, MOST))
        if n > MOST:
            uncounted.add(reason or "")
    return uncounted
