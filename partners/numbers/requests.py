"""The requests with people of a step: one row for each call and Sync, newest first.

A `Push` is one call (a request to the partner); a `PushShare` is its part with people of one Sync.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audiencesync.core import chunks
from audiencesync.core.chunks import Page
from partners.base import Partner
from partners.errors import Disconnected, Rejected, RejectedCause, Retry
from partners.models import Batch, Outcome, Push, PushShare
from partners.queue.push import NO_ANSWER

LINE_KEY = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
Tone = Literal["good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Line:
    """One call.

    ``tries``: how often its people were sent, including this call. None if they were sent again
    later, or if retention has deleted their batches.
    """

    key: str
    at: datetime
    people: int
    word: str | Promise
    tone: Tone
    code: str
    request_id: str
    tries: int | None
    ms: int

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return self.ms / 1000


@dataclass(frozen=True, slots=True)
class _BatchState:
    """A batch as it is now. ``newest_call``: the id of its newest call on the page."""

    tries: int
    state: str
    code: str
    request_id: str
    newest_call: int

    def is_last_call(self, push: Push) -> bool:
        """Return whether nothing was sent for the batch after this call."""
        # A later call may be on another page: it has set another request id in the batch.
        is_newest = self.newest_call == push.pk
        return is_newest and (not push.request_id or self.request_id == push.request_id)

    def gave_up_after(self, push: Push) -> bool:
        """Return whether this call was its last, and its people are errored."""
        return self.is_last_call(push) and self.state == Outcome.ERRORED and self.code == push.code


def parse_key(key: str) -> tuple[int, int] | None:
    """Return the ids of push and Sync in the key of a line; None if it is no such key."""
    match = LINE_KEY.fullmatch(key)
    return (int(match[1]), int(match[2])) if match else None


def of_syncs(syncs: Iterable[int], *, failed: bool = False) -> QuerySet[PushShare]:
    """Return the calls with people of these Syncs; ``failed``: only those with an error."""
    calls = PushShare.objects.filter(sync__in=list(syncs), people__gt=0).select_related("push")
    return calls.filter(is_failed=True) if failed else calls


def page(
    calls: QuerySet[PushShare],
    size: int,
    *,
    older_than: tuple[int, int] | None = None,
    newer_than: tuple[int, int] | None = None,
) -> Page[PushShare]:
    """Return one page. The keys of a row: its push and its Sync."""
    return chunks.page(
        calls, size, keys=("push", "sync"), older_than=older_than, newer_than=newer_than
    )


def lines(calls: Iterable[PushShare], partner: Partner) -> list[Line]:
    """Return the calls in words. One query."""
    rows = list(calls)
    newest: dict[int, int] = {}  # batch -> its newest call of the page
    for row in rows:
        for batch_id in row.push.batches:
            newest[batch_id] = max(row.push_id, newest.get(batch_id, 0))
    # An accepted call counts as a try, too; attempts and refusals count the failed ones.
    states = {
        pk: _BatchState(
            attempts + refusals + (state == Outcome.SYNCED), state, code, request_id, newest[pk]
        )
        for pk, attempts, refusals, state, code, request_id in Batch.objects.filter(
            pk__in=newest
        ).values_list("pk", "attempts", "refusals", "state", "last_code", "last_request_id")
    }
    return [_line(row, states, partner) for row in rows]


def _line(row: PushShare, states: Mapping[int, _BatchState], partner: Partner) -> Line:
    push = row.push
    batches = [states[batch_id] for batch_id in push.batches if batch_id in states]
    last_tried = [batch for batch in batches if batch.is_last_call(push)]
    has_given_up = bool(batches) and all(batch.gave_up_after(push) for batch in batches)
    word, tone = _answer(push.code, partner, has_given_up=has_given_up)
    return Line(
        f"{row.push_id}-{row.sync_id}",  # read by `parse_key`
        push.at,
        row.people,
        word,
        tone,
        "" if push.code == NO_ANSWER else push.code,
        push.request_id,
        max((max(1, batch.tries) for batch in last_tried), default=None),
        push.ms,
    )


def _answer(code: str, partner: Partner, *, has_given_up: bool) -> tuple[str | Promise, Tone]:
    """Return the answer in a word, and its tone."""
    if code == Push.ACCEPTED:
        return _("OK"), "good"
    error = partner.error_of(None if code == NO_ANSWER else code)
    match error:
        case Retry() if has_given_up:
            return _("Gave up"), "bad"
        case Retry(is_throttled=True):
            return _("Slow down"), "warn"
        case Retry():
            return (_("No answer") if code == NO_ANSWER else _("Problem there")), "warn"
        case Rejected(cause=RejectedCause.PARTIAL):
            return _("Partly taken"), "warn"
        case Disconnected():
            return _("No access"), "bad"
    return _("Refused"), "bad"
