"""One look at the partner before a launch: does the token work, may we use each ad account, does each audience exist and
take people? What is definite is written down and blocks; a partner that cannot be reached is only a warning."""

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
from partners.queue import park, sealed

logger = logging.getLogger(__name__)
SECONDS = 8.0
"""Nobody waits longer in front of the screen; what has no answer by then is unknown."""
MOST_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to say about one Sync that its rows do not say by themselves."""

    sync: Sync
    text: str
    blocks: bool


@dataclass(slots=True)
class _Look:
    """What one ad account is asked."""

    ad_account: AdAccount
    token: str
    syncs: list[Sync]

    @property
    def audiences(self) -> dict[str, Audience]:
        return {sync.audience.remote_id: sync.audience for sync in self.syncs}

    def __repr__(self) -> str:
        return f"_Look({self.ad_account.pk})"


@sensitive_variables()
def look(syncs: Iterable[Sync], *, now: datetime) -> list[Finding]:
    """Ask once per ad account, all at the same time. What is broken is parked, so that problems.py says it from now on."""
    looks = _looks(syncs)
    if not looks:
        return []
    pool = ThreadPoolExecutor(MOST_AT_ONCE)
    try:
        asked = {pool.submit(copy_context().run, _ask, one): one for one in looks}
        wait(asked, timeout=SECONDS)
        return [
            finding for future, one in asked.items() for finding in _judge(one, future, now=now)
        ]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@sensitive_variables()
def _looks(syncs: Iterable[Sync]) -> list[_Look]:
    """One per ad account that has a token; the others are known to be in trouble."""
    found: dict[int, _Look] = {}
    for one in syncs:
        account = one.audience.ad_account
        if not (account.is_chosen and account.connection.is_connected and one.audience.remote_id):
            continue
        if account.pk in found:
            found[account.pk].syncs.append(one)
            continue
        try:
            found[account.pk] = _Look(account, account.connection.token, [one])
        except crypto.CannotOpen:
            sealed.complain(account.connection.pk)
    return list(found.values())


@sensitive_variables()
def _ask(one: _Look) -> list[RemoteAudience]:
    """In a thread, without the database. Where one of several ids rejects the call, each is asked for itself."""
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


def _judge(one: _Look, future: Future[list[RemoteAudience]], *, now: datetime) -> list[Finding]:
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
    return _written(one, listed, now=now)


def _written(one: _Look, listed: list[RemoteAudience], *, now: datetime) -> list[Finding]:
    """The partner answered: token and ad account are good, and each audience is what it says, or gone."""
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
            "%(partner)s does not know the audience %(name)s. If it was created just now, try again in a minute; "
            "otherwise choose or create another one."
        )
        words = {"partner": registry.get(connection.partner).label, "name": audience.name}
        findings.append(Finding(mine, text % words, blocks=True))
    return findings


def _unreachable(one: _Look) -> Finding:
    text = gettext(
        "%(partner)s could not be reached just now, so nobody can say whether it takes people into %(name)s. You may "
        "launch: people wait and are tried again."
    )
    label = registry.get(one.ad_account.connection.partner).label
    return Finding(
        one.syncs[0], text % {"partner": label, "name": one.ad_account.name}, blocks=False
    )
