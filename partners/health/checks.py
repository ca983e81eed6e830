"""The last checks of access, ad accounts and audiences at a partner, with their answers.

They are read from stored rows; probes.py makes the calls.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from django.db.models import Count, Exists, Max, OuterRef, Q, Subquery
from django.utils.translation import gettext

from audiencesync.groups.models import AppGroup
from partners import registry
from partners.base import Partner, Token
from partners.health import answers, history
from partners.health.history import Key, Kind, Run
from partners.incidents import codes, present
from partners.models import AdAccount, CheckAnswer, Connection, Push


class State(StrEnum):
    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``at``: when its answer came, or since when its state lasts; None if not checked.

    ``since``: since when all answers have had this state; None if unknown. ``ms``: how long the
    last answer took.
    """

    name: str
    state: State
    answer: str
    at: datetime | None
    since: datetime | None = None
    ms: int | None = None

    def with_history(self, row: CheckAnswer | None) -> Check:
        """Return the check with ``since`` and ``ms`` from its last stored answer."""
        if row is None or self.at is None:
            return self
        since = row.since if row.result == self.state and row.since < row.at else None
        return replace(self, since=since, ms=row.ms)


@dataclass(slots=True)
class Report:
    """The checks of one connection."""

    partner: Partner
    checks: list[Check] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    is_connected: bool = False


@dataclass(frozen=True, slots=True)
class _Account:
    """An ad account, the counts of its audiences in use, and the last request (push) to it."""

    row: AdAccount
    n_used: int
    n_broken: int
    gone_since: datetime | None
    pushed_at: datetime | None
    push_code: str


def of_group(app_group: AppGroup) -> list[Report]:
    """Return the checks of each connection of a group; two queries, one more for each."""
    accounts: dict[int, list[_Account]] = {}
    for account in _accounts(app_group):
        accounts.setdefault(account.row.connection_id, []).append(account)
    connections = app_group.connections.order_by("partner")
    return [_report(connection, accounts.get(connection.pk, [])) for connection in connections]


def _accounts(app_group: AppGroup) -> list[_Account]:
    is_used_q = Exists(present.relevant_syncs().filter(audience=OuterRef("audiences")))
    newest_push = Push.objects.filter(ad_account=OuterRef("pk")).order_by("-pk")
    broken_q = Q(audiences__gone_at__isnull=False) | Q(audiences__is_appendable=False)
    ad_accounts = AdAccount.objects.filter(connection__app_group=app_group, is_chosen=True)
    ad_accounts = ad_accounts.annotate(
        n_used=Count("audiences", filter=is_used_q),
        n_broken=Count("audiences", filter=Q(is_used_q) & broken_q),
        gone_since=Max("audiences__gone_at", filter=Q(is_used_q)),
        pushed_at=Subquery(newest_push.values("at")[:1]),
        push_code=Subquery(newest_push.values("code")[:1]),
    )
    return [
        _Account(
            ad_account,
            ad_account.n_used,
            ad_account.n_broken,
            ad_account.gone_since,
            ad_account.pushed_at,
            ad_account.push_code or "",
        )
        for ad_account in ad_accounts
    ]


def _report(connection: Connection, accounts: list[_Account]) -> Report:
    partner = registry.get(connection.partner)
    rows = history.recent(connection)
    connected_at = connection.connected_at
    # Answers from before the last connect were about another token.
    newest = history.newest([row for row in rows if connected_at is None or row.at >= connected_at])
    access = _access(connection, partner).with_history(newest.get((Kind.ACCESS, None)))
    report = Report(partner, [access], history.runs(rows), connection.is_connected)
    if connection.is_connected:
        permissions = newest.get((Kind.PERMISSIONS, None))
        check = _permissions(connection, partner, permissions)
        report.checks.append(check.with_history(permissions))
        report.checks += [_ad_account(account.row, partner, newest) for account in accounts]
        if any(account.n_used for account in accounts):
            report.checks.append(_audiences(accounts))
        report.checks += [
            _last_request(account, partner) for account in accounts if account.pushed_at
        ]
    return report


def _access(connection: Connection, partner: Partner) -> Check:
    name = gettext("Access to %(partner)s") % {"partner": partner.label}
    match codes.of_connection(connection):
        case "":
            return Check(name, State.GOOD, gettext("works"), connection.checked_at)
        case "not_connected":
            since = connection.disconnected_at
            return Check(name, State.BAD, gettext("not connected"), since)
        case "token_refused":
            answer = answers.refused_text(connection.parked_code)
            return Check(name, State.BAD, answer, connection.parked_since)
        case _:
            answer = gettext("our keys do not open it")
            return Check(name, State.BAD, answer, connection.checked_at)


def _permissions(connection: Connection, partner: Partner, row: CheckAnswer | None) -> Check:
    missing = partner.missing_permissions(Token("", tuple(connection.scopes)))
    answer = answers.missing_text(missing) if missing else gettext("all granted")
    state = State.BAD if missing else State.GOOD
    at = row.at if row else connection.connected_at
    return Check(gettext("Permissions"), state, answer, at)


def _ad_account(ad_account: AdAccount, partner: Partner, newest: dict[Key, CheckAnswer]) -> Check:
    name = gettext("Ad account %(name)s") % {"name": ad_account.name}
    if codes.of_ad_account(ad_account):
        answer = answers.refused_text(ad_account.parked_code)
        return Check(name, State.BAD, answer, ad_account.parked_since)
    row = newest.get((Kind.AD_ACCOUNT, ad_account.pk))
    if row is not None and row.result == State.BAD:
        return Check(name, State.BAD, answers.text_of(row), row.at).with_history(row)
    at = row.at if row else ad_account.refreshed_at
    if at is None:
        return Check(name, State.UNKNOWN, gettext("not asked yet"), None)
    if ad_account.status and ad_account.status not in partner.active_statuses:
        return Check(name, State.BAD, answers.status_text(ad_account.status, partner), at)
    if row is not None and row.result == State.UNKNOWN:
        return Check(name, State.UNKNOWN, answers.text_of(row), row.at).with_history(row)
    return Check(name, State.GOOD, gettext("open"), at).with_history(row)


def _audiences(accounts: list[_Account]) -> Check:
    """Return whether the audiences that steps use exist and take people."""
    n_used = sum(account.n_used for account in accounts)
    n_broken = sum(account.n_broken for account in accounts)
    name, answer = gettext("Audiences in use"), answers.audiences_text(n_broken, n_used)
    if n_broken:
        since = max(filter(None, (account.gone_since for account in accounts)), default=None)
        return Check(name, State.BAD, answer, since)
    refreshed_at = [account.row.refreshed_at for account in accounts if account.n_used]
    oldest = None if None in refreshed_at else min(filter(None, refreshed_at), default=None)
    return Check(name, State.GOOD if oldest else State.UNKNOWN, answer, oldest)


def _last_request(account: _Account, partner: Partner) -> Check:
    """Return the answer to the last request with people, which shows whether the app may send."""
    name = gettext("Last request for %(name)s") % {"name": account.row.name}
    if account.push_code == Push.ACCEPTED:
        return Check(name, State.GOOD, gettext("accepted"), account.pushed_at)
    error = partner.error_of(account.push_code or None)
    return Check(name, State.BAD, error.sentence(), account.pushed_at)
