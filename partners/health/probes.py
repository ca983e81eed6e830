"""Run all checks of a connection at the partner, and keep their answers for the page Health.

What an answer shows to be broken is parked as everywhere, so incidents stay the one source of
alarms: nothing here tells anyone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone, translation
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto
from partners import registry
from partners.audiences import listing
from partners.base import MAX_CODE, Token
from partners.connections import connect
from partners.errors import PartnerError, Rejected, RejectedCause, Retry
from partners.health import answers, history
from partners.health.history import MOST_ACCOUNTS, CheckOutcome, Kind, Result
from partners.incidents import present
from partners.models import AdAccount, Audience, Connection, Push
from partners.models.batch_queries import SEALED
from partners.models.checks import MAX_ANSWER

SECONDS = 5.0
"""After this time a run asks nothing more."""
REST = timedelta(minutes=1)
"""Between two runs of one connection, by the beat or by members."""


def beat() -> None:
    """Check the connections that were not checked for CHECK_EVERY_MINUTES, for some seconds."""
    ends_at, now = time.monotonic() + SECONDS, timezone.now()
    rested = _rested(now - timedelta(minutes=settings.CHECK_EVERY_MINUTES), now=now)
    usable = Connection.objects.filter(rested, app_group__archived_at=None)
    due = usable.exclude(token_sealed="").order_by(F("examined_at").asc(nulls_first=True), "pk")
    for connection in due[: settings.SYNC.threads]:
        if time.monotonic() > ends_at or not _run(connection, rested, now=now, ends_at=ends_at):
            return


def run(connection: Connection, *, now: datetime) -> bool:
    """Check a connection now. Return False if that was done within the last minute."""
    ends_at = time.monotonic() + SECONDS
    is_first = _claim(connection, _rested(now - REST, now=now), now=now)
    if is_first:
        history.store(connection, _outcomes(connection, now=now, ends_at=ends_at), now=now)
    return is_first


def _run(connection: Connection, rested: Q, *, now: datetime, ends_at: float) -> bool:
    """Check a connection if no other worker does. Return whether the partner answers."""
    if not _claim(connection, rested, now=now):
        return True
    found = _outcomes(connection, now=now, ends_at=ends_at)
    history.store(connection, found, now=now)
    return found[0].result != Result.UNKNOWN


def _rested(before: datetime, *, now: datetime) -> Q:
    # A later time was written by a wrong clock.
    return Q(examined_at=None) | Q(examined_at__lte=before) | Q(examined_at__gt=now)


def _claim(connection: Connection, rested: Q, *, now: datetime) -> bool:
    mine = Connection.objects.filter(rested, pk=connection.pk).exclude(token_sealed="")
    return bool(mine.update(examined_at=now))


def _outcomes(connection: Connection, *, now: datetime, ends_at: float) -> list[CheckOutcome]:
    """Ask the partner; later questions are left out if an earlier one had no good answer."""
    access = _timed(Kind.ACCESS, lambda: connect.check_token(connection, now=now))
    found = [access, _permissions(connection)]
    if access.result != Result.GOOD:
        return found
    accounts = list(
        AdAccount.objects.filter(connection=connection, is_chosen=True)
        .order_by(F("refreshed_at").asc(nulls_first=True), "pk")
        .select_related("connection__app_group")[:MOST_ACCOUNTS]
    )
    found += _ad_accounts(connection, accounts)
    for account in accounts:
        if time.monotonic() > ends_at or found[-1].result == Result.UNKNOWN:
            break
        found.append(_audiences(account, now=now))
    return [*found, *_allow_list(connection, accounts)]


def _timed(kind: Kind, ask: Callable[[], object], account: AdAccount | None = None) -> CheckOutcome:
    """Ask, and return what the answer says and how long it took."""
    begun = time.monotonic()
    result, code = Result.GOOD, ""
    try:
        ask()
    except crypto.CannotOpen:
        result, code = Result.BAD, SEALED
    except PartnerError as error:
        cause = error.__cause__ if isinstance(error.__cause__, PartnerError) else error
        result = Result.UNKNOWN if isinstance(cause, Retry) else Result.BAD
        code = (cause.code or "")[:MAX_CODE]
    ms = round((time.monotonic() - begun) * 1000)
    return CheckOutcome(kind, result, code, ms=ms, ad_account=account)


def _permissions(connection: Connection) -> CheckOutcome:
    partner = registry.get(connection.partner)
    with translation.override("en"):  # stored as msgids, translated where they are shown
        names = map(str, partner.missing_permissions(Token("", tuple(connection.scopes))))
        text = answers.SEPARATOR.join(names)[:MAX_ANSWER]
    return CheckOutcome(Kind.PERMISSIONS, Result.BAD if text else Result.GOOD, answer=text)


@sensitive_variables("token")
def _ad_accounts(connection: Connection, accounts: list[AdAccount]) -> list[CheckOutcome]:
    """Return whether each ad account is reached and open; one question for all."""
    if not accounts:
        return []
    partner, listed = registry.get(connection.partner), {}

    def ask() -> None:
        listed.update({one.id: one.status for one in partner.ad_accounts(connection.token)})

    asked = _timed(Kind.AD_ACCOUNT, ask)
    return [_ad_account(account, asked, listed) for account in accounts]


def _ad_account(account: AdAccount, asked: CheckOutcome, listed: dict[str, str]) -> CheckOutcome:
    # Without NUL, which PostgreSQL does not store.
    status = listed.get(account.remote_id, answers.NOT_LISTED).replace("\0", "")
    result, answer = asked.result, ""
    if result == Result.GOOD and account.remote_id in listed:
        AdAccount.objects.filter(pk=account.pk).update(status=status[:40])
    if result == Result.GOOD:
        active = registry.get(account.connection.partner).active_statuses
        if status and status not in active:
            result, answer = Result.BAD, status[:MAX_ANSWER]
    return CheckOutcome(Kind.AD_ACCOUNT, result, asked.code, answer, asked.ms, account)


def _audiences(account: AdAccount, *, now: datetime) -> CheckOutcome:
    """Read the audiences, and return whether those in use exist and take people."""
    asked = _timed(
        Kind.AUDIENCES, lambda: listing.refresh(account, now=now, is_forced=True), account
    )
    if asked.result != Result.GOOD:
        return asked
    used = Audience.objects.filter(ad_account=account, syncs__in=present.needed()).distinct()
    n, broken = used.count(), used.filter(Q(gone_at__isnull=False) | Q(is_appendable=False))
    n_broken = broken.count()
    result = Result.BAD if n_broken else Result.GOOD
    return CheckOutcome(Kind.AUDIENCES, result, "", f"{n_broken}/{n}", asked.ms, account)


def _allow_list(connection: Connection, accounts: list[AdAccount]) -> list[CheckOutcome]:
    """Return the last answers to requests with people: only these show whether the app may send.

    A request of our own for it would change an audience.
    """
    partner, found = registry.get(connection.partner), []
    for account in accounts:
        push = Push.objects.filter(ad_account=account).order_by("-pk").first()
        if push is None:
            continue
        error = None if push.code == Push.ACCEPTED else partner.error_of(push.code or None)
        refused = isinstance(error, Rejected) and error.cause is RejectedCause.AD_ACCOUNT
        unsure = Result.UNKNOWN if error else Result.GOOD
        found.append(
            CheckOutcome(
                Kind.ALLOW_LIST,
                Result.BAD if refused else unsure,
                "" if error is None else push.code,
                ms=push.ms,
                ad_account=account,
            )
        )
    return found
