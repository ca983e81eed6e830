"""Make a batch sendable again after profiles in it changed: erased, or without identifiers."""

import logging
from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef

from audiencesync.people.models import Profile
from partners.models import Batch, Delivery, Outcome, Reason
from partners.queue import outcomes, split, tally, transitions
from partners.queue.collect import Request
from partners.queue.enqueue import reason_sql
from partners.queue.push import NeedsRevalidation, deliveries_without_rows

logger = logging.getLogger(__name__)

_UNSENDABLE = """
SELECT d.id, {reason} FROM {delivery} d JOIN {profile} q ON q.id = d.profile_id
WHERE d.batch_id = %s AND d.outcome IS NULL AND ({reason}) IS NOT NULL
"""


def revalidate(
    request: Request, error: NeedsRevalidation, *, most_rows: int, now: datetime
) -> None:
    """Settle people who cannot be sent any more, cut what is too large, and put the request back.

    All its batches are due at once.
    """
    with tally.atomic(now=now):
        for batch in transitions.still_leased(request):
            if batch.pk == error.batch.pk:
                _revalidate(batch, error, most_rows=most_rows, now=now)
        transitions.put_back(transitions.still_leased(request), now=now, due_at=now)


def _revalidate(batch: Batch, error: NeedsRevalidation, *, most_rows: int, now: datetime) -> None:
    if batch.repeat_of_id:
        # A repeat has no deliveries of its own: it is cut, or ends if nothing is left to repeat.
        if error.n_rows <= most_rows or not split.cut_repeat(batch, now=now):
            transitions.finish([batch], Outcome.CANCELLED, now=now)
        return
    _settle_unsendable(batch, now=now)
    kept_ids = deliveries_without_rows(batch)
    outcomes.set_outcome(
        batch, kept_ids, Outcome.NOT_SYNCED, reason=Reason.WANTED_ELSEWHERE, now=now
    )
    n_left = Delivery.objects.filter(batch=batch, outcome=None).count()
    if n_left != batch.n:
        logger.error(
            "Batch %s says %s people and holds %s: run check_counters.", batch.pk, batch.n, n_left
        )
        _fail_miscounted(batch, now=now)
    elif not n_left:
        transitions.finish([batch], Outcome.CANCELLED, now=now)
    elif error.n_rows > most_rows:
        # Past hashes need rows, too: choose a size at which the average rows per person fit.
        people = max(1, min(batch.n - 1, batch.n * most_rows // error.n_rows))
        split.split_to_cap(batch, people, now=now)


def _settle_unsendable(batch: Batch, *, now: datetime) -> None:
    """Give an outcome to people of the batch whose profile is gone or has nothing to send."""
    # The profile of such a delivery is NULL, or the id of a deleted profile.
    without_profile = ~Exists(Profile.everybody.filter(pk=OuterRef("profile_id")))
    erased = list(
        Delivery.objects.filter(without_profile, batch=batch, outcome=None).values_list(
            "pk", flat=True
        )
    )
    outcomes.set_outcome(batch, erased, Outcome.CANCELLED, reason=Reason.ERASED, now=now)
    for reason, ids in _unsendable_by_reason(batch).items():
        outcome = Outcome.CANCELLED if reason == Reason.ERASED else Outcome.NOT_SYNCED
        outcomes.set_outcome(batch, ids, outcome, reason=reason, now=now)


def _fail_miscounted(batch: Batch, *, now: datetime) -> None:
    """Retry a batch with a wrong ``n`` until its deadline: an operator may repair it.

    After that it is errored, and the tally changes by the wrong ``n``.
    """
    transitions.start_retry_window(batch, now=now)
    if batch.deadline_at is not None and batch.deadline_at <= now:
        transitions.finish([batch], Outcome.ERRORED, now=now, code=transitions.INTERNAL)
        return
    batch.attempts += 1
    transitions.put_back([batch], now=now, due_at=None)


def _unsendable_by_reason(batch: Batch) -> dict[str, list[int]]:
    """Return Reason -> ids of the deliveries whose profile has nothing to send any more."""
    sql = _UNSENDABLE.format(
        reason=reason_sql(
            batch.action, batch.kinds, is_strict=batch.sync.app_group.consent_required
        ),
        delivery=Delivery._meta.db_table,
        profile=Profile._meta.db_table,
    )
    by_reason: dict[str, list[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, [batch.pk])
        for delivery, reason in cursor.fetchall():
            by_reason.setdefault(reason, []).append(delivery)
    return by_reason
