"""Makes a batch sendable again when people in it have changed since they entered: erased, or without identifiers."""

import logging
from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef

from audiencesync.people.models import Profile
from partners.models import Batch, Delivery, Outcome, Reason
from partners.queue import settle, split, tally
from partners.queue.collect import Request
from partners.queue.enqueue import reason_sql
from partners.queue.push import Incomplete

logger = logging.getLogger(__name__)

_UNSENDABLE = """
SELECT d.id, {reason} FROM {delivery} d JOIN {profile} q ON q.id = d.profile_id
WHERE d.batch_id = %s AND d.outcome IS NULL AND ({reason}) IS NOT NULL
"""


def tidy(request: Request, trouble: Incomplete, *, most_rows: int, now: datetime) -> None:
    """Settle who can no longer be sent, cut what is too large, and put all batches of the request back, due at once."""
    with tally.gathered(now=now):
        for batch in settle.mine(request):
            if batch.pk == trouble.batch.pk:
                _tidy(batch, trouble, most_rows=most_rows, now=now)
        settle.put_back(settle.mine(request), now=now, due_at=now)


def _tidy(batch: Batch, trouble: Incomplete, *, most_rows: int, now: datetime) -> None:
    if batch.repeat_of_id:
        _tidy_repeat(batch, trouble, most_rows=most_rows, now=now)
        return
    nobody = ~Exists(
        Profile.everybody.filter(pk=OuterRef("profile_id"))
    )  # NULL, or an id that nobody has any more
    erased = list(
        Delivery.objects.filter(nobody, batch=batch, outcome=None).values_list("pk", flat=True)
    )
    settle.give_outcome(batch, erased, Outcome.CANCELLED, reason=Reason.ERASED, now=now)
    for reason, ids in _unsendable(batch).items():
        outcome = Outcome.CANCELLED if reason == Reason.ERASED else Outcome.NOT_SYNCED
        settle.give_outcome(batch, ids, outcome, reason=reason, now=now)
    left = Delivery.objects.filter(batch=batch, outcome=None).count()
    if left != batch.n:
        logger.error(
            "Batch %s says %s people and holds %s: run check_counters.", batch.pk, batch.n, left
        )
        _drifted(batch, now=now)
    elif not left:
        settle.finish([batch], Outcome.CANCELLED, now=now)
    elif trouble.n_rows > most_rows:
        split.split_to_cap(
            batch, max(1, min(batch.n - 1, batch.n * most_rows // trouble.n_rows)), now=now
        )


def _tidy_repeat(batch: Batch, trouble: Incomplete, *, most_rows: int, now: datetime) -> None:
    """A repeat has no people of its own: it is cut, or there is nothing left to repeat."""
    if trouble.n_rows <= most_rows or not split.cut_repeat(batch, now=now):
        settle.finish([batch], Outcome.CANCELLED, now=now)


def _drifted(batch: Batch, *, now: datetime) -> None:
    """It is tried for its 13 hours, should somebody mend it; then it ends with the people it was counted with."""
    settle.start_clock(batch, now=now)
    if batch.deadline_at is not None and batch.deadline_at <= now:
        settle.finish([batch], Outcome.ERRORED, now=now, code=settle.INTERNAL)
        return
    batch.attempts += 1
    settle.put_back([batch], now=now, due_at=None)


def _unsendable(batch: Batch) -> dict[str, list[int]]:
    """Reason -> deliveries, for people of the batch whose profile no longer has anything to send."""
    sql = _UNSENDABLE.format(
        reason=reason_sql(
            batch.action, batch.kinds, is_strict=batch.sync.app_group.consent_required
        ),
        delivery=Delivery._meta.db_table,
        profile=Profile._meta.db_table,
    )
    found: dict[str, list[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, [batch.pk])
        for delivery, reason in cursor.fetchall():
            found.setdefault(reason, []).append(delivery)
    return found
