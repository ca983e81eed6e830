"""What an answer means for the people it was about. The only place where a batch changes its state.

Every outcome is one conditional update (lease mine, still pending) with the tallies in the same transaction: a late
worker changes nothing. The table of answers is in the design; each branch below is one of its rows.
"""

import logging
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from audiencesync.core import beat as clock
from partners.errors import Disconnected, PartnerError, Rejected, RejectedCause, Retry, RetryCause
from partners.models import Batch, Delivery, Outcome, Push, Reason, Sync
from partners.queue import budget, collect, last_wish, park, split, tally
from partners.queue.collect import Request
from partners.queue.push import Answer, named_rows

logger = logging.getLogger(__name__)
TRIES_BEFORE_BISECT = 3
CRASHES_BEFORE_BISECT = 3
CRASHES_OF_ONE = 6
"""Of which all but the first two happened while nothing else was under way in the process."""
QUOTA_MOST = timedelta(hours=24)
NO_ANSWER = "no_answer"
INTERNAL = "internal"


def settle(answer: Answer, *, now: datetime) -> None:
    """Judge one answer and write what follows from it."""
    request, error = answer.parcel.request, answer.error
    if not answer.was_sent:
        with tally.gathered(now=now):
            put_back(mine(request), now=now, due_at=now)
        return
    if error is None:
        _synced(answer, now=now)
        return
    _note(answer)
    if _was_late(request):
        last_wish.repair(request.batches, now=now)
    elif isinstance(error, Retry):
        _retry(answer, error, now=now)
    elif isinstance(error, Disconnected):
        park.park_connection(request.connection, _code(error), now)
        fail(request, code=_code(error), now=now, due_at=now, tried_at=answer.sent_at)
    elif isinstance(error, Rejected):
        _rejected(answer, error, now=now)


def mine(request: Request) -> list[Batch]:
    """The request's batches that are still leased to it, locked; none for a late worker."""
    held = Batch.objects.select_for_update().filter(lease=request.lease, state=Outcome.PENDING)
    return list(held.order_by("pk"))


def _was_late(request: Request) -> bool:
    """Whether the lease went to somebody else during the call."""
    return not Batch.objects.filter(lease=request.lease).exists()


def _synced(answer: Answer, *, now: datetime) -> None:
    request = answer.parcel.request
    with tally.gathered(now=now):  # the note too: one commit less for each request that arrives
        _note(answer)
        if batches := mine(request):
            _applied(batches, now=now, request_id=answer.request_id)
            lane = request.ad_account.remote_id
            budget.succeeded(budget.limit_of(collect.preset_of(request.ad_account), lane), lane)
    if not batches:
        last_wish.repair(request.batches, now=now)
    elif request.is_probe:
        park.unpark(request.connection)
        park.unpark(request.ad_account)
        for batch in request.batches:
            park.unpark(batch.audience)


def _applied(
    batches: Sequence[Batch], *, now: datetime, code: str = "", request_id: str = ""
) -> None:
    """They have arrived. What was discarded meanwhile is taken back."""
    finish(batches, Outcome.SYNCED, now=now, code=code, request_id=request_id)
    last_wish.undo([batch for batch in batches if batch.cancel_requested], now=now)


def finish(
    batches: Sequence[Batch],
    state: Outcome,
    *,
    now: datetime,
    code: str = "",
    request_id: str = "",
    out_of: Outcome = Outcome.PENDING,
) -> None:
    """End pending batches, inside the caller's transaction: their people count as ``state`` from now on."""
    with tally.gathered(now=now) as moves:
        for batch in batches:
            moves.shift(batch.sync_id, batch.n, to=state.value, out_of=out_of.value)
    Batch.objects.filter(pk__in=[batch.pk for batch in batches]).update(
        state=state,
        lease="",
        lease_until=None,
        settled_at=now,
        last_code=code or "0",
        last_request_id=request_id,
    )
    split.sibling_ended(batches, state, now=now)
    lost = [batch.pk for batch in batches if batch.repeat_of_id and state == Outcome.ERRORED]
    if lost:
        logger.error(
            "Repeats %s did not arrive (code %s): their audiences may hold or lack people.",
            lost,
            code,
        )


def fail(
    request: Request,
    *,
    code: str,
    now: datetime,
    due_at: datetime | None,
    burn: bool = False,
    tried_at: datetime | None = None,
    is_unsure: bool = False,
) -> None:
    """Nothing was applied, or nobody knows (``is_unsure``): try again at ``due_at`` (None: by the timetable).

    Whoever was tried at their deadline or later (``tried_at``) is errored: a clock that jumps ends nobody untried.
    """
    tried_at = tried_at or now
    with tally.gathered(now=now):
        batches = mine(request)
        for batch in batches:
            batch.attempts += burn
        over = [
            batch
            for batch in batches
            if batch.deadline_at is not None and batch.deadline_at <= tried_at and _is_wanted(batch)
        ]
        Batch.objects.bulk_update(over, ["attempts"])
        finish(over, Outcome.ERRORED, now=now, code=code)
        rest = [batch for batch in batches if batch not in over]
        for batch in rest:
            batch.last_code = code
            start_clock(batch, now=now)
        put_back(rest, now=now, due_at=due_at, is_unsure=is_unsure)


def _is_wanted(batch: Batch) -> bool:
    """Whether its people still wait for what it asks: they were not discarded meanwhile, nor are they to be moved."""
    return not batch.cancel_requested and batch.moves_to_id is None


def start_clock(batch: Batch, *, now: datetime) -> None:
    """From the first failure on, a batch has some 13 hours."""
    if batch.first_failed_at is None or batch.first_failed_at > now:
        batch.first_failed_at = now
        batch.deadline_at = now + patience(batch.sync.purpose)


def patience(purpose: str) -> timedelta:
    """How long people are tried for after the first failure: whom we must take out, nobody asks about again."""
    return timedelta(
        seconds=settings.SYNC["deadline" if purpose == Sync.Purpose.STEP else "erasure_deadline"]
    )


def put_back(
    batches: Sequence[Batch], *, now: datetime, due_at: datetime | None, is_unsure: bool = False
) -> None:
    """End the lease of batches that stay pending; who has a newer, opposite wish by now is dropped.

    What was discarded is cancelled, and taken back if it may have arrived nevertheless (``is_unsure``).
    """
    for batch in batches:
        planned = due_at or now + timedelta(seconds=_backoff(batch.attempts))
        batch.due_at = min(planned, batch.deadline_at or planned)
        batch.lease, batch.lease_until, batch.crashes = "", None, 0
    fields = ["due_at", "lease", "lease_until", "attempts", "refusals", "sharing", "crashes"]
    Batch.objects.bulk_update(batches, [*fields, "first_failed_at", "deadline_at", "last_code"])
    last_wish.release(batches, now=now)
    cancelled = [batch for batch in batches if batch.cancel_requested]
    if cancelled:
        mine_cancelled = Batch.objects.filter(pk__in=[batch.pk for batch in cancelled])
        cancel(mine_cancelled, Reason.DISCARDED, now=now, is_unsure=is_unsure)


def cancel(
    pending: "QuerySet[Batch]", reason: Reason, *, now: datetime, is_unsure: bool = False
) -> int:
    """Cancel pending batches that nobody holds, inside the caller's transaction. Answers how many people.

    What may have arrived is taken back: after this try (``is_unsure``), or after one before that has failed unclearly.
    """
    batches = list(
        pending.select_for_update(of=("self",))
        .filter(state=Outcome.PENDING, lease="")
        .order_by("pk")
    )
    last_wish.undo([batch for batch in batches if is_unsure or batch.attempts], now=now)
    finish(batches, Outcome.CANCELLED, now=now, code=reason.value)
    return sum(batch.n for batch in batches)


def cancel_discarded(*, now: datetime) -> None:
    """End what was discarded and is held by no worker, in stretches. What a worker held that then died, so that no answer
    decided, may have arrived: it was tried."""
    left = Batch.objects.filter(
        state=Outcome.PENDING, lease="", cancel_requested=True, repeat_of=None
    )
    for some in collect.stretches(left):
        with tally.gathered(now=now):
            cancel(some, Reason.DISCARDED, now=now)


def quarantine(*, now: datetime) -> None:
    """Whatever has killed its workers several times is halved until the person stands alone whose data do it.

    Nobody is errored for a few deaths: workers are killed for other reasons, too, such as a new release.
    """
    suspects = Batch.objects.filter(
        state=Outcome.PENDING, lease="", waits_for=None, crashes__gte=CRASHES_BEFORE_BISECT
    )
    if not suspects.exists():
        return
    with tally.gathered(now=now):
        for batch in list(suspects.select_for_update().order_by("pk")):
            if batch.n > 1:
                split.bisect(batch, now=now, crashes=CRASHES_BEFORE_BISECT - 1)
            elif batch.repeat_of_id and split.cut_repeat(batch, now=now):
                continue
            elif batch.crashes >= CRASHES_OF_ONE:
                finish([batch], Outcome.ERRORED, now=now, code=INTERNAL)


def _backoff(attempts: int) -> float:
    """Seconds before the next try: 5 s doubled each time up to half an hour, with jitter so that retries spread."""
    sync = settings.SYNC
    seconds: float = min(
        sync["backoff_max"], sync["backoff_base"] * 2 ** min(max(attempts - 1, 0), 20)
    )
    return seconds * random.uniform(0.8, 1.0)  # noqa: S311  # spreads retries, guards no secret


def _retry(answer: Answer, error: Retry, *, now: datetime) -> None:
    request, code = answer.parcel.request, _code(error)
    if error.is_throttled:
        limit = budget.limit_of(collect.preset_of(request.ad_account), request.ad_account.remote_id)
        if error.cause == RetryCause.THROTTLED_ADVERTISER:
            limit = budget.Limit(f"lane:{request.ad_account.remote_id}", limit.rate)
        seconds = budget.throttled(limit, sent_us=answer.sent_us, retry_after=error.retry_after)
        if seconds:
            _stop_clock(limit, seconds)
        fail(request, code=code, now=now, due_at=now, tried_at=answer.sent_at)
        return
    if error.cause == RetryCause.UNKNOWN_CODE:
        _alert_once(code)
    fail(
        request, code=code, now=now, due_at=None, burn=True, tried_at=answer.sent_at, is_unsure=True
    )


def _stop_clock(limit: budget.Limit, seconds: float) -> None:
    """A daily limit is used up: where the group wants it so, this time does not count towards the 13 hours."""
    longest = timedelta(seconds=settings.SYNC["deadline"]) + QUOTA_MOST
    waiting = Batch.objects.filter(
        state=Outcome.PENDING,
        deadline_at__lt=F("first_failed_at") + longest,
        ad_account__connection__app_group__quota_stops_clock=True,
    )
    if limit.key.startswith("lane:"):
        waiting = waiting.filter(ad_account__remote_id=limit.key.removeprefix("lane:"))
    for some in collect.stretches(waiting):
        with (
            transaction.atomic()
        ):  # one by one, apart from what `fail` locks: nobody waits in a circle
            mine = Batch.objects.filter(pk__in=collect.in_order(some))
            mine.update(deadline_at=F("deadline_at") + timedelta(seconds=seconds))


def _rejected(answer: Answer, error: Rejected, *, now: datetime) -> None:
    request, code = answer.parcel.request, _code(error)
    several = len(request.audience_ids) > 1
    people = answer.parcel.people
    match error.cause:
        case RejectedCause.TOO_MANY if people != request.people and len(request.batches) > 1:
            narrow(
                request, Batch.Sharing.ALONE, now=now
            )  # past hashes made it too long: no cap is learned
        case RejectedCause.TOO_MANY if request.people > 1 or request.batches[0].repeat_of_id:
            split.learn_cap(request.ad_account, people // 2)
            _cut_to(request, people // 2, code=code, now=now)
        case RejectedCause.AD_ACCOUNT | RejectedCause.AUDIENCE_GONE if several:
            narrow(request, Batch.Sharing.AUDIENCE, now=now)
        case RejectedCause.AD_ACCOUNT:
            park.park_ad_account(request.ad_account, code, now)
            fail(request, code=code, now=now, due_at=now, tried_at=answer.sent_at)
        case RejectedCause.AUDIENCE_GONE:
            park.park_audience(request.batches[0].audience, code, now)
            fail(request, code=code, now=now, due_at=now, tried_at=answer.sent_at)
        case RejectedCause.PARTIAL if error.failed_rows is not None:
            _partial(answer, error.failed_rows, code=code, now=now)
        case RejectedCause.CONTENT | RejectedCause.PARTIAL | RejectedCause.TOO_MANY:
            _content(request, error, several=several, now=now)
        case _:
            _alert_once(code)
            fail(request, code=code, now=now, due_at=None, burn=True, tried_at=answer.sent_at)


def _content(request: Request, error: Rejected, *, several: bool, now: datetime) -> None:
    """Bad content: judge in ever narrower company; one batch alone is tried three times, then bisected."""
    code, is_partial = _code(error), error.cause == RejectedCause.PARTIAL
    if several or len(request.batches) > 1:
        sharing = Batch.Sharing.AUDIENCE if several else Batch.Sharing.ALONE
        narrow(request, sharing, now=now, is_unsure=is_partial)
        return
    enough = TRIES_BEFORE_BISECT - is_partial
    with tally.gathered(now=now):
        for batch in _wanted(request, now=now, is_unsure=is_partial):
            batch.refusals += 1
            batch.attempts += is_partial
            batch.last_code = code
            start_clock(batch, now=now)
            if batch.refusals < enough:
                put_back([batch], now=now, due_at=None)
            elif batch.n > 1:
                refused_n = batch.n if error.cause == RejectedCause.CONTENT else None
                split.bisect(batch, now=now, refusals=enough - 1, refused_n=refused_n)
            elif not (batch.repeat_of_id and split.cut_repeat(batch, now=now)):
                batch.save(update_fields=["attempts"])
                finish([batch], Outcome.ERRORED, now=now, code=code)


def _wanted(request: Request, *, now: datetime, is_unsure: bool = False) -> list[Batch]:
    """``mine``, but for what was discarded meanwhile: that ends here, inside the caller's transaction."""
    batches = mine(request)
    put_back(
        [batch for batch in batches if batch.cancel_requested],
        now=now,
        due_at=now,
        is_unsure=is_unsure,
    )
    return [batch for batch in batches if not batch.cancel_requested]


def narrow(
    request: Request, sharing: Batch.Sharing, *, now: datetime, is_unsure: bool = False
) -> None:
    """Send the batches again in narrower company, at once."""
    with tally.gathered(now=now):
        batches = mine(request)
        for batch in batches:
            batch.sharing = max(batch.sharing, sharing)
            batch.attempts += is_unsure
        put_back(batches, now=now, due_at=now, is_unsure=is_unsure)


def _cut_to(request: Request, people: int, *, code: str, now: datetime) -> None:
    """Cut each batch that is still ours to a size; what stays as it was is due at once."""
    with tally.gathered(now=now):
        for batch in _wanted(request, now=now):
            if batch.repeat_of_id is None:
                split.split_to_cap(batch, people, now=now)
            elif not split.cut_repeat(batch, now=now):
                finish([batch], Outcome.ERRORED, now=now, code=code)
        put_back(mine(request), now=now, due_at=now)


def _partial(answer: Answer, indexes: Sequence[int], *, code: str, now: datetime) -> None:
    """The partner named the rows it refused: those people are errored with the code, all others synced.

    Names of rows that were not sent are no names: then nobody knows who is meant.
    """
    request, error = answer.parcel.request, answer.error
    if isinstance(error, Rejected) and max(indexes, default=0) >= answer.parcel.people:
        _content(request, error, several=len(request.audience_ids) > 1, now=now)
        return
    named = named_rows(answer.parcel, indexes)
    with tally.gathered(now=now):
        batches = mine(request)
        for batch in batches:
            give_outcome(batch, named.get(batch.pk, []), Outcome.ERRORED, reason=code, now=now)
        _applied(batches, now=now, code=code, request_id=answer.request_id)


def give_outcome(
    batch: Batch, deliveries: Iterable[int], outcome: Outcome, *, reason: str, now: datetime
) -> int:
    """Give single people of a pending batch an outcome of their own, inside the caller's transaction."""
    rows = Delivery.objects.filter(pk__in=list(deliveries), batch=batch, outcome=None)
    n = rows.update(outcome=outcome, reason=reason[:24])
    if n:
        Batch.objects.filter(pk=batch.pk).update(n=F("n") - n)
        batch.n -= n
        with tally.gathered(now=now) as moves:
            moves.shift(batch.sync_id, n, to=outcome.value)
    return n


def _note(answer: Answer) -> None:
    """One row and one line of the log per HTTP call, without identifiers."""
    request = answer.parcel.request
    batches, code = (
        [batch.pk for batch in request.batches],
        _code(answer.error) if answer.error else "0",
    )
    Push.objects.create(
        ad_account=request.ad_account,
        batches=batches,
        action=request.action,
        people=answer.parcel.people,
        ids=answer.parcel.ids,
        at=answer.sent_at,
        ms=answer.ms,
        code=code,
        request_id=answer.request_id[:80],
    )
    facts = {
        "batch": batches,
        "code": code,
        "tiktok_request_id": answer.request_id,
        "duration_ms": answer.ms,
    }
    logger.info(
        "pushed %s people (%s): code %s", answer.parcel.people, request.action, code, extra=facts
    )


def _code(error: PartnerError) -> str:
    """What is stored of an answer: the partner's code, or that there was no clear one."""
    return str(error.code) if error.code is not None else NO_ANSWER


def _alert_once(code: str) -> None:
    """Tell the operator of an answer we have no row for, once per code."""
    if clock.claim(f"unknown-answer:{code}", 1):
        logger.error(
            "The partner answered with the unknown code %s; people wait and are tried again.", code
        )
