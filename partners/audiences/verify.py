"""Check at the partner before a launch: the token, each ad account, each audience.

A definite failure is stored and blocks; a partner that does not answer is only a warning.
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
SECONDS = 8.0
"""The longest wait of the page; a check without an answer by then is unknown."""
MOST_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """A result about one Sync that its rows do not show."""

    sync: Sync
    text: str
    blocks: bool


@dataclass(slots=True)
class _Check:
    """The questions about one ad account."""

    ad_account: AdAccount
    token: str
    syncs: list[Sync]

    @property
    def audiences(self) -> dict[str, Audience]:
        return {sync.audience.remote_id: sync.audience for sync in self.syncs}

    def __repr__(self) -> str:
        return f"_Check({self.ad_account.pk})"


@sensitive_variables()
def check(syncs: Iterable[Sync], *, now: datetime) -> list[Finding]:
    """Ask once per ad account, in parallel. Park what is broken: problems.py reports it then."""
    checks = _checks(syncs)
    if not checks:
        return []
    pool = ThreadPoolExecutor(MOST_AT_ONCE)
    try:
        asked = {pool.submit(copy_context().run, _fetch, one): one for one in checks}
        wait(asked, timeout=SECONDS)
        return [
            finding for future, one in asked.items() for finding in _findings(one, future, now=now)
        ]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@sensitive_variables()
def _checks(syncs: Iterable[Sync]) -> list[_Check]:
    """Return one check per ad account that has a token; the others have a known problem."""
    found: dict[int, _Check] = {}
    for one in syncs:
        account = one.audience.ad_account
        if not (account.is_chosen and account.connection.is_connected and one.audience.remote_id):
            continue
        if account.pk in found:
            found[account.pk].syncs.append(one)
            continue
        try:
            found[account.pk] = _Check(account, account.connection.token, [one])
        except crypto.CannotOpen:
            missing_keys.log_missing_key(account.connection.pk)
    return list(found.values())


@sensitive_variables()
def _fetch(one: _Check) -> list[RemoteAudience]:
    """Read the audiences, in a thread without the database.

    If the partner rejects the call for one of several ids, ask for each id alone.
    """
    partner, account = registry.get(one.ad_account.connection.partner), one.ad_account.remote_id
    ids = sorted(one.audiences)
    try:
        return partner.get_audiences(one.token, account, audience_ids=ids)
    except Rejected as error:
        if error.cause is not RejectedCause.AUDIENCE_GONE:
            raise
    known: list[RemoteAudience] = []
    for remote_id in ids if len(ids) > 1 else ():
        try:
            known += partner.get_audiences(one.token, account, audience_ids=[remote_id])
        except Rejected as error:
            if error.cause is not RejectedCause.AUDIENCE_GONE:
                raise
    return known


def _findings(one: _Check, future: Future[list[RemoteAudience]], *, now: datetime) -> list[Finding]:
    if not future.done():
        return [_unreachable(one)]
    try:
        listed = future.result()
    except Disconnected as error:
        park.park_connection(one.ad_account.connection, error.code, now)
        return []
    except Rejected as error:
        if error.cause is RejectedCause.AD_ACCOUNT:
            park.park_ad_account(one.ad_account, error.code, now)
            return []
        logger.warning(
            "ad account %s was not verified: %s", one.ad_account.pk, error.message_for_log
        )
        return [_unreachable(one)]
    except PartnerError as error:
        logger.info("ad account %s was not verified: %s", one.ad_account.pk, error.message_for_log)
        return [_unreachable(one)]
    return _compare(one, listed, now=now)


def _compare(one: _Check, listed: list[RemoteAudience], *, now: datetime) -> list[Finding]:
    """Store the answer: token and ad account work, each audience is as listed or gone."""
    connection = one.ad_account.connection
    freed = [park.unpark(connection), park.unpark(one.ad_account)]
    seen = {audience.id for audience in listed}
    listing.write_some(one.ad_account, listed, now=now)
    if any(freed):
        sync.retry_now(connection)
    findings = []
    for mine in one.syncs:
        audience = mine.audience
        if audience.remote_id in seen:
            continue
        if audience.seen_at is not None:
            park.park_audience(audience, None, now)
            continue
        text = gettext(
            "%(partner)s does not know the audience %(name)s. If it was created just now, try "
            "again in a minute; otherwise choose or create another one."
        )
        words = {"partner": registry.get(connection.partner).label, "name": audience.name}
        findings.append(Finding(mine, text % words, blocks=True))
    return findings


def _unreachable(one: _Check) -> Finding:
    text = gettext(
        "%(partner)s could not be reached just now, so it is not known whether it takes people "
        "into %(name)s. You may launch: people wait and are tried again."
    )
    label = registry.get(one.ad_account.connection.partner).label
    return Finding(
        one.syncs[0], text % {"partner": label, "name": one.ad_account.name}, blocks=False
    )
