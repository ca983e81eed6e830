"""How long people take from entering a Sync to being synced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import ngettext

from audiencesync.core import deadlines
from partners.models import Batch, Outcome, Sync

NEWEST = 2_000
"""Batches of each Sync that are looked at."""


@dataclass(frozen=True, slots=True)
class Delays:
    """Half of ``n`` people were synced within ``half``, 95 of 100 within ``most``."""

    n: int
    half: timedelta
    most: timedelta

    @property
    def half_words(self) -> str:
        """Return the time of half of them in words."""
        return in_words(self.half)

    @property
    def most_words(self) -> str:
        """Return the time of 95 of 100 in words."""
        return in_words(self.most)


def of_syncs(syncs: Iterable[Sync]) -> Delays | None:
    """Return the delays of the people synced last whose batches are kept; None without any."""
    times = sorted(
        (settled_at - created_at, n)
        for one in syncs
        for created_at, settled_at, n in _newest(one)
        if settled_at is not None
    )
    people = sum(n for _time, n in times)
    return Delays(people, _within(times, 0.5), _within(times, 0.95)) if people else None


def _newest(one: Sync) -> Iterable[tuple[datetime, datetime | None, int]]:
    """Return the newest batches of a Sync, by the order of its audience, which has an index."""
    ended = Batch.objects.filter(audience=one.audience_id, action=one.action, sync=one, n__gt=0)
    newest = ended.filter(state=Outcome.SYNCED, repeat_of=None).order_by("-seq")
    return newest.values_list("created_at", "settled_at", "n")[:NEWEST]


def _within(times: Sequence[tuple[timedelta, int]], share: float) -> timedelta:
    """Return the time within which this share of the people were synced."""
    left = share * sum(n for _time, n in times)
    for time, n in times:
        left -= n
        if left <= 0:
            return time
    return times[-1][0]


def in_words(time: timedelta) -> str:
    """Return a duration in one unit, rounded up: seconds below two minutes."""
    seconds = max(1, -(-time // timedelta(seconds=1)))
    if seconds >= 2 * deadlines.MINUTE:
        return deadlines.in_words(seconds)
    return ngettext("%(n)s second", "%(n)s seconds", seconds) % {"n": seconds}
