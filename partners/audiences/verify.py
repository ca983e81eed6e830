"""Check at the partner before a launch: the token, each ad account, each audience.

A definite failure is stored and blocks the launch. If the partner does not answer, that is only a
warning.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto
from partners import registry, sync
from partners.audiences import listing
from partners.base import RemoteAudience
from partners.errors import Disconnected, PartnerError, Rejected, RejectedCause
from partners.models import AdAccount, Audience, Sync
from partners.queue import missing_keys, park

logger = logging.getLogger(__name__)
MAX_SECONDS = 8.0
"""The longest wait of the page; a check without an answer by then is unknown."""
MAX_THREADS = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """A result about one Sync that is not stored, so problems.py cannot report it."""

    sync: Sync
    text: str
    blocks: bool


@dataclass(slots=True)
class _Question:
    """A request about one ad account: do the audiences of these Syncs exist?"""

    ad_account: AdAccount
    token: str
    syncs: list[Sync]

    @property
    def audiences(self) -> dict[str, Audience]:
        return {sync.audience.remote_id: sync.audience for sync in self.syncs}

    def __repr__(self) -> str:
        return f"_Question({self.ad_account.pk})"


@sensitive_variables()
def check(syncs: Iterable[Sync], *, now: datetime) -> list[Finding]:
    """Ask once per ad account, in parallel. Park what is broken, so that problems.py reports it.

    Return all other findings.
    """
    questions = _questions(syncs)
    if not questions:
        return []
    pool = ThreadPoolExecutor(MAX_THREADS)
    try:
        question_of = {
            pool.submit(copy_context().run, _fetch, question): question for question in questions
        }
        wait(question_of, timeout=MAX_SECONDS)
        return [
            finding
            for future, question in question_of.items()
            for finding in _findings(question, future, now=now)
        ]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@sensitive_variables()
def _questions(syncs: Iterable[Sync]) -> list[_Question]:
    """Return one question per ad account with a token. Without a token the problem is known."""
    questions: dict[int, _Question] = {}
    for sync_row in syncs:
        account = sync_row.audience.ad_account
        is_connected = account.is_chosen and account.connection.is_connected
        if not is_connected or not sync_row.audience.remote_id:
            continue
        if account.pk in questions:
            questions[account.pk].syncs.append(sync_row)
            continue
        try:
            questions[account.pk] = _Question(account, account.connection.token, [sync_row])
        except crypto.CannotOpen:
            missing_keys.log_missing_key(account.connection.pk)
    return list(questions.values())


@sensitive_variables()
def _fetch(question: _Question) -> list[RemoteAudience]:
    """Read the audiences, in a thread without the database.

    If the partner rejects the call for one of several ids, ask for each id alone.
    """
    ad_account = question.ad_account
    partner, account_id = registry.get(ad_account.connection.partner), ad_account.remote_id
    ids = sorted(question.audiences)
    try:
        return partner.get_audiences(question.token, account_id, audience_ids=ids)
    except Rejected as error:
        if error.cause is not RejectedCause.AUDIENCE_GONE:
            raise
    listed: list[RemoteAudience] = []
    for remote_id in ids if len(ids) > 1 else ():
        try:
            listed += partner.get_audiences(question.token, account_id, audience_ids=[remote_id])
        except Rejected as error:
            if error.cause is not RejectedCause.AUDIENCE_GONE:
                raise
    return listed


def _findings(
    question: _Question, future: Future[list[RemoteAudience]], *, now: datetime
) -> list[Finding]:
    if not future.done():
        return [_unreachable_warning(question)]
    try:
        listed = future.result()
    except Disconnected as error:
        park.park_connection(question.ad_account.connection, error.code, now)
        return []
    except Rejected as error:
        if error.cause is RejectedCause.AD_ACCOUNT:
            park.park_ad_account(question.ad_account, error.code, now)
            return []
        logger.warning(
            "ad account %s was not verified: %s", question.ad_account.pk, error.message_for_log
        )
        return [_unreachable_warning(question)]
    except PartnerError as error:
        logger.info(
            "ad account %s was not verified: %s", question.ad_account.pk, error.message_for_log
        )
        return [_unreachable_warning(question)]
    return _compare(question, listed, now=now)


def _compare(question: _Question, listed: list[RemoteAudience], *, now: datetime) -> list[Finding]:
    """Store the answer: token and ad account work, and each audience is as listed or is gone."""
    connection = question.ad_account.connection
    unparked = [park.unpark(connection), park.unpark(question.ad_account)]
    listed_ids = {audience.id for audience in listed}
    listing.write_listed(question.ad_account, listed, now=now)
    if any(unparked):
        sync.retry_now(connection)
    findings = []
    for sync_row in question.syncs:
        audience = sync_row.audience
        if audience.remote_id in listed_ids:
            continue
        if audience.seen_at is not None:  # the audience was listed before, so it is gone
            park.park_audience(audience, None, now)
            continue
        text = gettext(
            "%(partner)s does not know the audience %(name)s. If it was created just now, try "
            "again in a minute; otherwise choose or create another one."
        )
        params = {"partner": registry.get(connection.partner).label, "name": audience.name}
        findings.append(Finding(sync_row, text % params, blocks=True))
    return findings


def _unreachable_warning(question: _Question) -> Finding:
    text = gettext(
        "%(partner)s could not be reached just now, so it is not known whether it takes people "
        "into %(name)s. You may launch: people wait and are tried again."
    )
    label = registry.get(question.ad_account.connection.partner).label
    text %= {"partner": label, "name": question.ad_account.name}
    return Finding(question.syncs[0], text, blocks=False)
