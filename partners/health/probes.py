"""Run all checks of a connection at the partner, and store their answers for the page Health.

If an answer shows that something is broken, it is parked as after any other call, which begins an
incident. Nothing here notifies members.
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
from partners.health.history import MAX_ACCOUNTS, CheckOutcome, Kind, Result
from partners.incidents import present
from partners.models import AdAccount, Audience, Connection, Push
from partners.models.batch_queries import SEALED
from partners.models.checks import MAX_ANSWER

MAX_SECONDS = 5.0
"""Seconds after which a run makes no further call."""
MAX_CONNECTIONS = 100
"""The most connections that a run reads."""
MIN_PAUSE = timedelta(minutes=1)
"""The shortest time between two runs of one connection that a member starts."""


def beat() -> None:
    """Check connections whose last check was CHECK_EVERY_MINUTES ago, for MAX_SECONDS."""
    stop_at, now = time.monotonic() + MAX_SECONDS, timezone.now()
    due_q = _not_checked_since_q(now - timedelta(minutes=settings.CHECK_EVERY_MINUTES), now=now)
    connections = Connection.objects.filter(due_q, app_group__archived_at=None)
    oldest_first = connections.order_by(F("examined_at").asc(nulls_first=True), "pk")
    for connection in oldest_first.exclude(token_sealed="")[:MAX_CONNECTIONS]:
        if time.monotonic() > stop_at:
            return
        if not _run_if_due(connection, due_q, now=now, stop_at=stop_at):
            return


def run(connection: Connection, *, now: datetime) -> bool:
    """Check a connection now. Return False if that was done within the last minute."""
    stop_at = time.monotonic() + MAX_SECONDS
    is_claimed = _claim(connection, _not_checked_since_q(now - MIN_PAUSE, now=now), now=now)
    if is_claimed:
        history.store(connection, _outcomes(connection, now=now, stop_at=stop_at), now=now)
    return is_claimed


def _run_if_due(connection: Connection, due_q: Q, *, now: datetime, stop_at: float) -> bool:
    """Check a connection unless another worker did. Return False if the partner did not answer."""
    if not _claim(connection, due_q, now=now):
        return True
    outcomes = _outcomes(connection, now=now, stop_at=stop_at)
    history.store(connection, outcomes, now=now)
    return outcomes[0].result != Result.UNKNOWN


def _not_checked_since_q(before: datetime, *, now: datetime) -> Q:
    # A later time was written by a wrong clock.
    return Q(examined_at=None) | Q(examined_at__lte=before) | Q(examined_at__gt=now)


def _claim(connection: Connection, due_q: Q, *, now: datetime) -> bool:
    claimable = Connection.objects.filter(due_q, pk=connection.pk).exclude(token_sealed="")
    return bool(claimable.update(examined_at=now))


def _outcomes(connection: Connection, *, now: datetime, stop_at: float) -> list[CheckOutcome]:
    """Make the calls of all checks. If the access is not good, or a call fails, skip the rest."""
    access = _ask_timed(Kind.ACCESS, lambda: connect.check_token(connection, now=now))
    outcomes = [access, _permissions(connection)]
    if access.result != Result.GOOD:
        return outcomes
    accounts = list(
        AdAccount.objects.filter(connection=connection, is_chosen=True)
        .order_by(F("refreshed_at").asc(nulls_first=True), "pk")
        .select_related("connection__app_group")[:MAX_ACCOUNTS]
    )
    outcomes += _ad_accounts(connection, accounts)
    for account in accounts:
        if time.monotonic() > stop_at or outcomes[-1].result == Result.UNKNOWN:
            break
        outcomes.append(_audiences(account, now=now))
    return [*outcomes, *_allow_list(connection, accounts)]


def _ask_timed(
    kind: Kind, ask: Callable[[], object], account: AdAccount | None = None
) -> CheckOutcome:
    """Call ``ask``. Return what the answer says and how long it took."""
    started = time.monotonic()
    result, code = Result.GOOD, ""
    try:
        ask()
    except crypto.CannotOpen:
        result, code = Result.BAD, SEALED
    except PartnerError as error:
        # A failed list of audiences (AudienceCallFailed) is raised from the partner's own error.
        cause = error.__cause__ if isinstance(error.__cause__, PartnerError) else error
        result = Result.UNKNOWN if isinstance(cause, Retry) else Result.BAD
        code = (cause.code or "")[:MAX_CODE]
    ms = round((time.monotonic() - started) * 1000)
    return CheckOutcome(kind, result, code, ms=ms, ad_account=account)


def _permissions(connection: Connection) -> CheckOutcome:
    partner = registry.get(connection.partner)
    with translation.override("en"):  # stored as msgids, translated where they are shown
        names = map(str, partner.missing_permissions(Token("", tuple(connection.scopes))))
        text = answers.SEPARATOR.join(names)[:MAX_ANSWER]
    return CheckOutcome(Kind.PERMISSIONS, Result.BAD if text else Result.GOOD, answer=text)


@sensitive_variables("token")
def _ad_accounts(connection: Connection, accounts: list[AdAccount]) -> list[CheckOutcome]:
    """Return whether each ad account can be reached and is active; one call for all."""
    if not accounts:
        return []
    partner, status_of = registry.get(connection.partner), {}

    def ask() -> None:
        for ad_account in partner.ad_accounts(connection.token):
            status_of[ad_account.id] = ad_account.status

    outcome = _ask_timed(Kind.AD_ACCOUNT, ask)
    return [_ad_account(account, outcome, status_of) for account in accounts]


def _ad_account(
    account: AdAccount, outcome: CheckOutcome, status_of: dict[str, str]
) -> CheckOutcome:
    # PostgreSQL does not store NUL.
    status = status_of.get(account.remote_id, answers.NOT_LISTED).replace("\0", "")
    result, answer = outcome.result, ""
    if result == Result.GOOD and account.remote_id in status_of:
        AdAccount.objects.filter(pk=account.pk).update(status=status[:40])
    if result == Result.GOOD:
        active = registry.get(account.connection.partner).active_statuses
        if status and status not in active:
            result, answer = Result.BAD, status[:MAX_ANSWER]
    return CheckOutcome(Kind.AD_ACCOUNT, result, outcome.code, answer, outcome.ms, account)


def _audiences(account: AdAccount, *, now: datetime) -> CheckOutcome:
    """Read the audiences, and return whether those in use exist and take people."""
    outcome = _ask_timed(
        Kind.AUDIENCES, lambda: listing.refresh(account, now=now, is_forced=True), account
    )
    if outcome.result != Result.GOOD:
        return outcome
    audiences = Audience.objects.filter(ad_account=account, syncs__in=present.relevant_syncs())
    audiences = audiences.distinct()
    broken_audiences = audiences.filter(Q(gone_at__isnull=False) | Q(is_appendable=False))
    n, n_broken = audiences.count(), broken_audiences.count()
    result = Result.BAD if n_broken else Result.GOOD
    return CheckOutcome(Kind.AUDIENCES, result, "", f"{n_broken}/{n}", outcome.ms, account)


def _allow_list(connection: Connection, accounts: list[AdAccount]) -> list[CheckOutcome]:
    """Return whether the app may send, by the last answers to requests with people.

    Only such requests show it, and one sent as a check would change an audience.
    """
    partner, outcomes = registry.get(connection.partner), []
    for account in accounts:
        push = Push.objects.filter(ad_account=account).order_by("-pk").first()
        if push is None:
            continue
        error = None if push.code == Push.ACCEPTED else partner.error_of(push.code or None)
        is_refused = isinstance(error, Rejected) and error.cause is RejectedCause.AD_ACCOUNT
        otherwise = Result.UNKNOWN if error else Result.GOOD
        outcomes.append(
            CheckOutcome(
                Kind.ALLOW_LIST,
                Result.BAD if is_refused else otherwise,
                "" if error is None else push.code,
                ms=push.ms,
                ad_account=account,
            )
        )
    return outcomes
