"""Count people by outcome and reason, with bounded work for any number of people."""

from __future__ import annotations

from collections.abc import Iterable

from partners.models import Batch, Outcome, Tally
from partners.people import counted

MAX_COUNTED = 50_000
"""The most people of one Sync, outcome and reason that are counted."""
MAX_BATCHES = 10_000
"""The most batches of one Sync and outcome that are read: the newest ones."""
UNSYNCED = tuple(outcome for outcome in Outcome if outcome != Outcome.SYNCED)
BATCH_OUTCOMES = (Outcome.PENDING, Outcome.ERRORED, Outcome.CANCELLED)
"""Outcomes that a whole batch may have."""
OWN_OUTCOMES = (Outcome.NOT_SYNCED, Outcome.ERRORED, Outcome.CANCELLED)
"""Outcomes that a delivery may have of its own, other than that of its batch."""


class Reasons(dict[str, dict[str, int]]):
    """Outcome -> reason or code -> people who are not synced.

    ``uncounted``: outcome -> how many people were not assigned to a reason, because there are too
    many. The numbers by reason of such an outcome are lower bounds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.uncounted: dict[str, int] = {}

    def add(self, outcome: str, reason: str, n: int) -> None:
        """Count ``n`` more people."""
        if n:
            by_reason = self.setdefault(outcome, {})
            by_reason[reason] = by_reason.get(reason, 0) + n


def of_syncs(syncs: Iterable[int], outcomes: Iterable[Outcome] = UNSYNCED) -> Reasons:
    """Return why people of these Syncs are not synced. counted.py lists the people behind it."""
    reasons = Reasons()
    tallies = list(Tally.objects.filter(pk__in=list(syncs)).order_by("pk"))
    for outcome in outcomes:
        for tally in tallies:
            for reason, n in tally.base.get(outcome, {}).items():
                reasons.add(outcome, reason, n)
        _add_outcome(reasons, outcome, tallies)
    return reasons


def _add_outcome(reasons: Reasons, outcome: Outcome, tallies: Iterable[Tally]) -> None:
    """Add the people with one outcome, up to the limits, and how many are left uncounted."""
    total, has_more_batches, cut_reasons = 0, False, set[str]()
    for tally in tallies:
        n: int = getattr(tally, outcome)
        total += n
        if n and outcome in BATCH_OUTCOMES:
            has_more_batches = _add_batches(reasons, outcome, tally.pk) or has_more_batches
        if n and outcome in OWN_OUTCOMES:
            cut_reasons |= _add_deliveries(reasons, outcome, tally.pk)
    n_uncounted = total - sum(reasons.get(outcome, {}).values())
    if n_uncounted <= 0 or not (has_more_batches or cut_reasons):
        return
    if has_more_batches or len(cut_reasons) > 1:
        reasons.uncounted[outcome] = n_uncounted
    else:  # the uncounted people all have the one reason that was cut
        reasons.add(outcome, cut_reasons.pop(), n_uncounted)


def _add_batches(reasons: Reasons, outcome: Outcome, sync: int) -> bool:
    """Add people with the outcome of their batch. Return whether some batches were not read."""
    newest_batches = Batch.objects.filter(sync=sync, state=outcome).order_by("-pk")
    codes = list(newest_batches.values_list("last_code", "n")[: MAX_BATCHES + 1])
    for code, n in codes[:MAX_BATCHES]:
        reasons.add(outcome, code, n)
    return len(codes) > MAX_BATCHES


def _add_deliveries(reasons: Reasons, outcome: Outcome, sync: int) -> set[str]:
    """Add people with an outcome of their own; return the reasons with more than MAX_COUNTED."""
    cut_reasons = set()
    for reason in list(counted.own_outcome_reasons(sync, outcome)):
        rows = counted.deliveries(sync, outcome, reason).order_by().values("pk")
        n = rows[: MAX_COUNTED + 1].count()
        reasons.add(outcome, reason or "", min(n, MAX_COUNTED))
        if n > MAX_COUNTED:
            cut_reasons.add(reason or "")
    return cut_reasons
