"""How long people take from entering a Sync to being synced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import ngettext

from audiencesync.core import deadlines
from partners.models import Batch, Outcome, Sync

MAX_BATCHES = 2_000
"""The most batches of each Sync that are read: the newest ones."""


@dataclass(frozen=True, slots=True)
class Delays:
    """Half of ``n`` people were synced within ``median``, 95 of 100 within ``percentile_95``."""

    n: int
    median: timedelta
    percentile_95: timedelta

    @property
    def median_text(self) -> str:
        """Return the median in words."""
        return in_words(self.median)

    @property
    def percentile_95_text(self) -> str:
        """Return the time of 95 of 100 people in words."""
        return in_words(self.percentile_95)


def of_syncs(syncs: Iterable[Sync]) -> Delays | None:
    """Return the delays of the last synced people whose batches still exist; None without any."""
    delays = sorted(
        (settled_at - created_at, n)
        for sync in syncs
        for created_at, settled_at, n in _newest_batches(sync)
        if settled_at is not None
    )
    n_people = sum(n for _delay, n in delays)
    return (
        Delays(n_people, _percentile(delays, 0.5), _percentile(delays, 0.95)) if n_people else None
    )


def _newest_batches(sync: Sync) -> Iterable[tuple[datetime, datetime | None, int]]:
    """Return created_at, settled_at and n of the newest synced batches of a Sync.

    They are sorted by seq, because there is an index for it.
    """
    batches = Batch.objects.filter(
        audience=sync.audience_id, action=sync.action, sync=sync, n__gt=0
    )
    synced = batches.filter(state=Outcome.SYNCED, repeat_of=None).order_by("-seq")
    return synced.values_list("created_at", "settled_at", "n")[:MAX_BATCHES]


def _percentile(delays: Sequence[tuple[timedelta, int]], share: float) -> timedelta:
    """Return within which time this share of the people were synced; ``delays`` are sorted."""
    n_left = share * sum(n for _delay, n in delays)
    for delay, n in delays:
        n_left -= n
        if n_left <= 0:
            return delay
    return delays[-1][0]


def in_words(delay: timedelta) -> str:
    """Return a duration in one unit, rounded up; in seconds below two minutes."""
    seconds = max(1, -(-delay // timedelta(seconds=1)))
    if seconds >= 2 * deadlines.MINUTE:
        return deadlines.in_words(seconds)
    return ngettext("%(n)s second", "%(n)s seconds", seconds) % {"n": seconds}
