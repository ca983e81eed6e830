"""Apply the answer to a request to its batches: the table of answers."""

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


def settle(answer: PushAnswer, *, now: datetime) -> None:
    """Apply one answer. The answer to a late worker changes no batch."""
    if not answer.was_sent:
        transitions.release(answer.request, now=now)
        return
    if answer.error is None:
        _synced(answer, now=now)
        return
    _record(answer)
    if _was_late(answer.request):
        compensation.repair_late_push(answer.request.batches, now=now)
    else:
        # The lists of errored and waiting people show the id.
        Batch.objects.leased_to(answer.request.lease).update(last_request_id=answer.request_id[:80])
        _settle_error(answer, now=now)


def _settle_error(answer: PushAnswer, *, now: datetime) -> None:
    """Choose the action for an error: the table of answers, one line each."""
    match answer.error:
        case Retry(is_throttled=True) as error:  # come back later
            _throttled(answer, error, now=now)
        case Retry(cause=RetryCause.UNKNOWN_CODE):  # a code that is not in the partner's table
            _report_once(answer.code)
            _try_later(answer, now=now)
        case Retry():  # no clear answer: it may have been applied
            _try_later(answer, now=now)
        case Disconnected():  # the token is void
            park.park_connection(answer.request.connection, answer.code, now)
            _wait_for_probe(answer, now=now)
        case Rejected(cause=RejectedCause.TOO_MANY) as error:
            _too_many(answer, error, now=now)
        case Rejected(cause=RejectedCause.AD_ACCOUNT | RejectedCause.AUDIENCE_GONE) as error:
            _place_refused(answer, error, now=now)
        case Rejected(cause=RejectedCause.PARTIAL) as error:  # some rows were refused
            _partial(answer, error, now=now)
        case Rejected(cause=RejectedCause.CONTENT) as error:  # all rows, for some of them
            _bad_content(answer, error, now=now)
        case Rejected():  # refused for another reason, and not applied
            _report_once(answer.code)
            _try_again(answer, now=now)


def _was_late(request: Request) -> bool:
    """Return whether the lease ended during the call: another worker may have the batches."""
    return not Batch.objects.filter(lease=request.lease).exists()


def _synced(answer: PushAnswer, *, now: datetime) -> None:
    """Mark the batches synced. A probe that went through unparks its places."""
    request = answer.request
    # The record is in the same transaction: one commit less for each request that arrives.
    with tally.gathered(now=now):
        _record(answer)
        if batches := transitions.still_leased(request):
            transitions.synced(batches, now=now, request_id=answer.request_id)
            lane = request.ad_account.lane
            budget.succeeded(budget.limit_of(collect.partner_of(request.ad_account), lane), lane)
    if not batches:
        compensation.repair_late_push(request.batches, now=now)
    elif request.is_probe:
        park.unpark(request.connection)
        park.unpark(request.ad_account)
        for batch in request.batches:
            park.unpark(batch.audience)


def _throttled(answer: PushAnswer, error: Retry, *, now: datetime) -> None:
    """Park the limit after too many requests: nothing was applied, and people only wait."""
    ad_account = answer.request.ad_account
    limit = budget.limit_of(collect.partner_of(ad_account), ad_account.lane)
    if error.cause == RetryCause.THROTTLED_AD_ACCOUNT:
        limit = budget.Limit(budget.lane_key(ad_account.lane), limit.rate)
    seconds = budget.throttled(limit, sent_us=answer.sent_us, retry_after=error.retry_after)
    if seconds:
        transitions.extend_deadlines(limit, seconds)
    _wait_for_probe(answer, now=now)


def _wait_for_probe(answer: PushAnswer, *, now: datetime) -> None:
    """Put back, due at once: the budget or the parked place times the next request."""
    transitions.fail(answer.request, code=answer.code, now=now, due_at=now, tried_at=answer.sent_at)


def _try_again(answer: PushAnswer, *, now: datetime, is_unclear: bool = False) -> None:
    """Try again by the back-off. Nothing was applied, unless ``is_unclear``."""
    transitions.fail(
        answer.request,
        code=answer.code,
        now=now,
        due_at=None,
        tried_at=answer.sent_at,
        is_attempt=True,
        is_unclear=is_unclear,
    )


def _try_later(answer: PushAnswer, *, now: datetime) -> None:
    _try_again(answer, now=now, is_unclear=True)


def _too_many(answer: PushAnswer, error: Rejected, *, now: datetime) -> None:
    """Learn the cap and cut the batches after too many people in one request."""
    request, people = answer.request, answer.parcel.people
    if people != request.people and len(request.batches) > 1:
        # Rows of former hashes made it too long: no cap is learned.
        transitions.narrow(request, Batch.Sharing.ALONE, now=now)
    elif request.people > 1 or request.batches[0].repeat_of_id:
        split.learn_cap(request.ad_account, people // 2)
        _cut_to(request, people // 2, code=answer.code, now=now)
    else:
        _bad_content(answer, error, now=now)


def _place_refused(answer: PushAnswer, error: Rejected, *, now: datetime) -> None:
    """Park the ad account or the audience.

    Among several audiences, the partner does not say which: send each audience alone first.
    """
    request = answer.request
    if _has_several(request):
        transitions.narrow(request, Batch.Sharing.AUDIENCE, now=now)
        return
    if error.cause == RejectedCause.AD_ACCOUNT:
        park.park_ad_account(request.ad_account, answer.code, now)
    else:
        park.park_audience(request.batches[0].audience, answer.code, now)
    _wait_for_probe(answer, now=now)


def _has_several(request: Request) -> bool:
    return len(request.audience_ids) > 1


def _partial(answer: PushAnswer, error: Rejected, *, now: datetime) -> None:
    """Error the people in the rows that the partner named, and sync all others."""
    named = _named(answer)
    if named is None:
        _bad_content(answer, error, now=now)
        return
    code = answer.code
    with tally.gathered(now=now):
        batches = transitions.still_leased(answer.request)
        for batch in batches:
            refused = named.get(batch.pk, [])
            outcomes.set_outcome(batch, refused, Outcome.ERRORED, reason=code, now=now)
        transitions.synced(batches, now=now, code=code, request_id=answer.request_id)


def _named(answer: PushAnswer) -> dict[int, list[int]] | None:
    """Return batch -> the people whom a partial success named as refused.

    None for other answers, and if it named no rows, or rows that were not sent.
    """
    match answer.error:
        case Rejected(cause=RejectedCause.PARTIAL, failed_rows=[*rows]):
            is_known = max(rows, default=0) < answer.parcel.people
            return named_rows(answer.parcel, rows) if is_known else None
    return None


def _bad_content(answer: PushAnswer, error: Rejected, *, now: datetime) -> None:
    """Send with fewer other batches each time; try a lone batch three times, then bisect it."""
    request, is_partial = answer.request, error.cause == RejectedCause.PARTIAL
    if _has_several(request) or len(request.batches) > 1:
        sharing = Batch.Sharing.AUDIENCE if _has_several(request) else Batch.Sharing.ALONE
        transitions.narrow(request, sharing, now=now, is_unclear=is_partial)
        return
    with tally.gathered(now=now):
        for batch in _without_discarded(request, now=now, is_unclear=is_partial):
            _refuse(batch, error, code=answer.code, now=now)


def _refuse(batch: Batch, error: Rejected, *, code: str, now: datetime) -> None:
    """Count one more refusal of a batch that travelled alone."""
    is_partial = error.cause == RejectedCause.PARTIAL
    enough = TRIES_BEFORE_BISECT - is_partial
    batch.refusals += 1
    batch.attempts += is_partial  # some of it was applied
    batch.last_code = code
    transitions.start_retry_window(batch, now=now)
    if batch.refusals < enough:
        transitions.put_back([batch], now=now, due_at=None)
    elif batch.n > 1:
        refused_n = batch.n if error.cause == RejectedCause.CONTENT else None
        split.bisect(batch, now=now, refusals=enough - 1, refused_n=refused_n)
    elif not (batch.repeat_of_id and split.cut_repeat(batch, now=now)):
        batch.save(update_fields=["attempts"])
        transitions.finish([batch], Outcome.ERRORED, now=now, code=code)


def _without_discarded(request: Request, *, now: datetime, is_unclear: bool = False) -> list[Batch]:
    """Cancel batches that were discarded while in flight; return the others that are still ours.

    Inside the caller's transaction.
    """
    batches = transitions.still_leased(request)
    discarded = [batch for batch in batches if batch.cancel_requested]
    transitions.put_back(discarded, now=now, due_at=now, is_unclear=is_unclear)
    return [batch for batch in batches if not batch.cancel_requested]


def _cut_to(request: Request, people: int, *, code: str, now: datetime) -> None:
    """Cut each batch that is still ours to a size. All pieces are due at once."""
    with tally.gathered(now=now):
        for batch in _without_discarded(request, now=now):
            batch.last_code = code
            if batch.repeat_of_id is None:
                split.split_to_cap(batch, people, now=now)
            elif not split.cut_repeat(batch, now=now):
                transitions.finish([batch], Outcome.ERRORED, now=now, code=code)
        rest = transitions.still_leased(request)
        for batch in rest:
            batch.last_code = code
        transitions.put_back(rest, now=now, due_at=now)


def _record(answer: PushAnswer) -> None:
    """Write a row and a log line for the call, and its share of each Sync, without identifiers."""
    request, people = answer.request, answer.parcel.people
    batches = [batch.pk for batch in request.batches]
    push = Push.objects.create(
        ad_account=request.ad_account,
        batches=batches,
        action=request.action,
        people=people,
        ids=answer.parcel.ids,
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
    logger.info("pushed %s people (%s): code %s", people, request.action, answer.code, extra=extra)


def _record_shares(push: Push, answer: PushAnswer) -> None:
    """Write the people of each Sync, and how many of those tried for the first time were taken."""
    refused = _named(answer)
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


def _report_once(code: str) -> None:
    """Log an answer that is not in the partner's table, once per code."""
    if claim(f"unknown-answer:{code[:24]}", 1):  # a slot's name has 40 characters
        logger.error(
            "The partner answered with the unknown code %s; people wait and are tried again.", code
        )
