"""Apply the partner's answer to the batches of a request; `_settle_error` has a case per error.

A place is the connection, ad account or audience that an answer is about.
"""

import logging
from collections import Counter
from datetime import datetime

from audiencesync.core.beat import claim
from partners.errors import Disconnected, Rejected, RejectedCause, Retry, RetryCause
from partners.models import Batch, Outcome, Push, PushShare
from partners.queue import budget, collect, compensation, outcomes, park, split, tally, transitions
from partners.queue.collect import Request
from partners.queue.push import PushAnswer, named_rows

logger = logging.getLogger(__name__)
TRIES_BEFORE_BISECT = 3
"""Refusals of a batch that was sent alone, after which it is halved."""


def settle(answer: PushAnswer, *, now: datetime) -> None:
    """Apply one answer. It changes no batch if the lease ended before it came (a late worker)."""
    if not answer.was_sent:
        transitions.release_unsent(answer.request, now=now)
        return
    if answer.error is None:
        _apply_success(answer, now=now)
        return
    _record(answer)
    if _was_late(answer.request):
        compensation.repair_late_push(answer.request.batches, now=now)
    else:
        # The lists of errored and waiting people show the request id.
        Batch.objects.leased_to(answer.request.lease).update(last_request_id=answer.request_id[:80])
        _settle_error(answer, now=now)


def _settle_error(answer: PushAnswer, *, now: datetime) -> None:
    """Choose what to do after an error."""
    match answer.error:
        case Retry(is_throttled=True) as error:  # the partner asked for fewer requests
            _park_limit(answer, error, now=now)
        case Retry(cause=RetryCause.UNKNOWN_CODE):  # a code that is not in the partner's table
            _log_once(answer.code)
            _retry_unclear(answer, now=now)
        case Retry():  # no clear answer: it may have been applied
            _retry_unclear(answer, now=now)
        case Disconnected():  # the token is no longer accepted
            park.park_connection(answer.request.connection, answer.code, now)
            _wait_for_probe(answer, now=now)
        case Rejected(cause=RejectedCause.TOO_MANY) as error:
            _cut_too_large(answer, error, now=now)
        case Rejected(cause=RejectedCause.AD_ACCOUNT | RejectedCause.AUDIENCE_GONE) as error:
            _park_place(answer, error, now=now)
        case Rejected(cause=RejectedCause.PARTIAL) as error:  # some rows were refused
            _apply_partial(answer, error, now=now)
        case Rejected(cause=RejectedCause.CONTENT) as error:  # some rows made it refuse all
            _isolate_bad_content(answer, error, now=now)
        case Rejected():  # not applied, for a reason that our requests should never give
            _log_once(answer.code)
            _retry(answer, now=now)


def _was_late(request: Request) -> bool:
    """Return whether the lease ended during the call: another worker may have the batches."""
    return not Batch.objects.filter(lease=request.lease).exists()


def _apply_success(answer: PushAnswer, *, now: datetime) -> None:
    """Mark the batches synced. A probe that succeeded unparks its places."""
    request = answer.request
    # Record the request in the same transaction, which saves a commit.
    with tally.atomic(now=now):
        _record(answer)
        if batches := transitions.still_leased(request):
            transitions.mark_synced(batches, now=now, request_id=answer.request_id)
            lane = request.ad_account.lane
            budget.end_throttle(budget.limit_of(collect.partner_of(request.ad_account), lane), lane)
    if not batches:
        compensation.repair_late_push(request.batches, now=now)
    elif request.is_probe:
        park.unpark(request.connection)
        park.unpark(request.ad_account)
        for batch in request.batches:
            park.unpark(batch.audience)


def _park_limit(answer: PushAnswer, error: Retry, *, now: datetime) -> None:
    """Park the rate limit that the partner says we exceeded. Nothing was applied."""
    ad_account = answer.request.ad_account
    limit = budget.limit_of(collect.partner_of(ad_account), ad_account.lane)
    if error.cause == RetryCause.THROTTLED_AD_ACCOUNT:
        limit = budget.Limit(budget.lane_key(ad_account.lane), limit.rate)
    seconds = budget.record_throttle(limit, sent_us=answer.sent_us, retry_after=error.retry_after)
    if seconds:
        transitions.extend_deadlines(limit, seconds)
    _wait_for_probe(answer, now=now)


def _wait_for_probe(answer: PushAnswer, *, now: datetime) -> None:
    """Put the batches back, due at once: they are sent when the parked limit or place allows."""
    transitions.retry_or_error(
        answer.request, code=answer.code, now=now, due_at=now, tried_at=answer.sent_at
    )


def _retry(answer: PushAnswer, *, now: datetime, is_unclear: bool = False) -> None:
    """Put the batches back until after the back-off. ``is_unclear``: it may have been applied."""
    transitions.retry_or_error(
        answer.request,
        code=answer.code,
        now=now,
        due_at=None,
        tried_at=answer.sent_at,
        is_attempt=True,
        is_unclear=is_unclear,
    )


def _retry_unclear(answer: PushAnswer, *, now: datetime) -> None:
    """Put back, until after the back-off, a request that may have been applied."""
    _retry(answer, now=now, is_unclear=True)


def _cut_too_large(answer: PushAnswer, error: Rejected, *, now: datetime) -> None:
    """Learn how many people a request to the ad account may carry, and cut the batches to that."""
    request, n_rows = answer.request, answer.parcel.n_rows
    if n_rows != request.n_people and len(request.batches) > 1:
        # The request had more rows than people because of past hashes, so its refusal says nothing
        # about a cap of people.
        transitions.narrow_sharing(request, Batch.Sharing.ALONE, now=now)
    elif request.n_people > 1 or request.batches[0].repeat_of_id:
        split.learn_cap(request.ad_account, n_rows // 2)
        _cut_to(request, n_rows // 2, code=answer.code, now=now)
    else:
        _isolate_bad_content(answer, error, now=now)


def _park_place(answer: PushAnswer, error: Rejected, *, now: datetime) -> None:
    """Park the ad account or the audience.

    The partner does not say which of several audiences it refused: first send each one alone.
    """
    request = answer.request
    if _has_several_audiences(request):
        transitions.narrow_sharing(request, Batch.Sharing.AUDIENCE, now=now)
        return
    if error.cause == RejectedCause.AD_ACCOUNT:
        park.park_ad_account(request.ad_account, answer.code, now)
    else:
        park.park_audience(request.batches[0].audience, answer.code, now)
    _wait_for_probe(answer, now=now)


def _has_several_audiences(request: Request) -> bool:
    return len(request.audience_ids) > 1


def _apply_partial(answer: PushAnswer, error: Rejected, *, now: datetime) -> None:
    """Error the people in the rows that the partner named, and sync all others."""
    refused = _refused_by_batch(answer)
    if refused is None:
        _isolate_bad_content(answer, error, now=now)
        return
    code = answer.code
    with tally.atomic(now=now):
        batches = transitions.still_leased(answer.request)
        for batch in batches:
            ids = refused.get(batch.pk, [])
            outcomes.set_outcome(batch, ids, Outcome.ERRORED, reason=code, now=now)
        transitions.mark_synced(batches, now=now, code=code, request_id=answer.request_id)


def _refused_by_batch(answer: PushAnswer) -> dict[int, list[int]] | None:
    """Return batch id -> ids of the deliveries that a partial success named as refused.

    Return None for other answers, and if the answer named no rows, or rows that were not sent.
    """
    match answer.error:
        case Rejected(cause=RejectedCause.PARTIAL, failed_rows=[*rows]):
            were_sent = max(rows, default=0) < answer.parcel.n_rows
            return named_rows(answer.parcel, rows) if were_sent else None
    return None


def _isolate_bad_content(answer: PushAnswer, error: Rejected, *, now: datetime) -> None:
    """Isolate people whose data the partner refuses.

    After each refusal, their batch shares its request with fewer other batches. Once it is sent
    alone, it is tried three times and then bisected.
    """
    request, is_partial = answer.request, error.cause == RejectedCause.PARTIAL
    if _has_several_audiences(request) or len(request.batches) > 1:
        sharing = Batch.Sharing.AUDIENCE if _has_several_audiences(request) else Batch.Sharing.ALONE
        transitions.narrow_sharing(request, sharing, now=now, is_unclear=is_partial)
        return
    with tally.atomic(now=now):
        for batch in _without_discarded(request, now=now, is_unclear=is_partial):
            _count_refusal(batch, error, code=answer.code, now=now)


def _count_refusal(batch: Batch, error: Rejected, *, code: str, now: datetime) -> None:
    """Count one more refusal of a batch that was sent alone, and bisect it after the last try."""
    is_partial = error.cause == RejectedCause.PARTIAL
    # A partial success proves that rows are bad: one try less is enough.
    most_tries = TRIES_BEFORE_BISECT - is_partial
    batch.refusals += 1
    batch.attempts += is_partial  # some of it was applied
    batch.last_code = code
    transitions.start_retry_window(batch, now=now)
    if batch.refusals < most_tries:
        transitions.put_back([batch], now=now, due_at=None)
    elif batch.n > 1:
        # Only a CONTENT refusal may have been caused by the number of people (see split).
        refused_n = batch.n if error.cause == RejectedCause.CONTENT else None
        split.bisect(batch, now=now, refusals=most_tries - 1, refused_n=refused_n)
    elif not (batch.repeat_of_id and split.cut_repeat(batch, now=now)):
        batch.save(update_fields=["attempts"])  # `finish` does not save it
        transitions.finish([batch], Outcome.ERRORED, now=now, code=code)


def _without_discarded(request: Request, *, now: datetime, is_unclear: bool = False) -> list[Batch]:
    """Cancel batches that were discarded while in flight; return the others that we still lease.

    Runs inside the caller's transaction.
    """
    batches = transitions.still_leased(request)
    discarded = [batch for batch in batches if batch.cancel_requested]
    transitions.put_back(discarded, now=now, due_at=now, is_unclear=is_unclear)
    return [batch for batch in batches if not batch.cancel_requested]


def _cut_to(request: Request, cap: int, *, code: str, now: datetime) -> None:
    """Cut each batch that is still leased to at most ``cap`` people. All pieces are due at once."""
    with tally.atomic(now=now):
        for batch in _without_discarded(request, now=now):
            batch.last_code = code
            if batch.repeat_of_id is None:
                split.split_to_cap(batch, cap, now=now)
            elif not split.cut_repeat(batch, now=now):
                transitions.finish([batch], Outcome.ERRORED, now=now, code=code)
        # The batches still leased were small enough: all others were put back or ended above.
        uncut = transitions.still_leased(request)
        for batch in uncut:
            batch.last_code = code
        transitions.put_back(uncut, now=now, due_at=now)


def _record(answer: PushAnswer) -> None:
    """Record the request and each Sync's share of it, and log a line; without identifiers."""
    request, n_rows = answer.request, answer.parcel.n_rows
    batches = [batch.pk for batch in request.batches]
    push = Push.objects.create(
        ad_account=request.ad_account,
        batches=batches,
        action=request.action,
        people=n_rows,
        ids=answer.parcel.n_ids,
        at=answer.sent_at,
        ms=answer.ms,
        code=answer.code,
        request_id=answer.request_id[:80],
    )
    _record_shares(push, answer)
    extra = {
        "batch": batches,
        "code": answer.code,
        "partner_request_id": answer.request_id,
        "duration_ms": answer.ms,
    }
    logger.info("pushed %s people (%s): code %s", n_rows, request.action, answer.code, extra=extra)


def _record_shares(push: Push, answer: PushAnswer) -> None:
    """Record per Sync how many people were sent, sent for the first time, and accepted of these."""
    refused = _refused_by_batch(answer)
    people, first, accepted = Counter[int](), Counter[int](), Counter[int]()
    for batch in answer.request.batches:
        people[batch.sync_id] += batch.n
        if not batch.is_first_try:
            continue
        first[batch.sync_id] += batch.n
        if answer.error is None:
            accepted[batch.sync_id] += batch.n
        elif refused is not None:
            accepted[batch.sync_id] += max(0, batch.n - len(set(refused.get(batch.pk, []))))
    PushShare.objects.bulk_create(
        PushShare(
            push=push,
            sync_id=sync,
            people=n,
            is_failed=answer.error is not None,
            first_people=first[sync],
            first_accepted=accepted[sync],
        )
        for sync, n in sorted(people.items())
    )


def _log_once(code: str) -> None:
    """Log, once per code, an answer that the code cannot handle."""
    # The same slot number each time: only the first claim succeeds. A name has at most 40
    # characters.
    if claim(f"unknown-answer:{code[:24]}", 1):
        logger.error(
            "The partner answered with the unknown code %s; people wait and are tried again.", code
        )
