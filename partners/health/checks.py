"""What was last checked at a partner, when, and with which answer: access, ad accounts, audiences.

Only what is stored is read; probes.py asks.
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
    """One check. ``at``: when its answer came, or since when it is so; None if never asked.

    ``since``: since when the answers kept are like this one. ``ms``: how long the last one took.
    """

    name: str
    state: State
    answer: str
    at: datetime | None
    since: datetime | None = None
    ms: int | None = None

    def of_row(self, row: CheckAnswer | None) -> Check:
        """Return the check with what is kept of it: since when, and how long an answer took."""
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
    """An ad account with its audiences that steps use, and the last push to it."""

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
    return [_report(one, accounts.get(one.pk, [])) for one in connections]


def _accounts(app_group: AppGroup) -> list[_Account]:
    used = Exists(present.needed().filter(audience=OuterRef("audiences")))
    last = Push.objects.filter(ad_account=OuterRef("pk")).order_by("-pk")
    broken = Q(audiences__gone_at__isnull=False) | Q(audiences__is_appendable=False)
    rows = AdAccount.objects.filter(connection__app_group=app_group, is_chosen=True).annotate(
        n_used=Count("audiences", filter=used),
        n_broken=Count("audiences", filter=Q(used) & broken),
        gone_since=Max("audiences__gone_at", filter=Q(used)),
        pushed_at=Subquery(last.values("at")[:1]),
        push_code=Subquery(last.values("code")[:1]),
    )
    return [
        _Account(row, row.n_used, row.n_broken, row.gone_since, row.pushed_at, row.push_code or "")
        for row in rows
    ]


def _report(connection: Connection, accounts: list[_Account]) -> Report:
    partner = registry.get(connection.partner)
    rows = history.recent(connection)
    begun = connection.connected_at
    # Answers to a former access do not say how it is with this one.
    newest = history.newest([row for row in rows if begun is None or row.at >= begun])
    access = _access(connection, partner).of_row(newest.get((Kind.ACCESS, None)))
    report = Report(partner, [access], history.runs(rows), connection.is_connected)
    if connection.is_connected:
        permissions = newest.get((Kind.PERMISSIONS, None))
        report.checks.append(_permissions(connection, partner, permissions).of_row(permissions))
        report.checks += [_ad_account(one.row, partner, newest) for one in accounts]
        if any(one.n_used for one in accounts):
            report.checks.append(_audiences(accounts))
        report.checks += [_push(one, partner) for one in accounts if one.pushed_at]
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
            answer = answers.refused(connection.parked_code)
            return Check(name, State.BAD, answer, connection.parked_since)
        case _:
            answer = gettext("our keys do not open it")
            return Check(name, State.BAD, answer, connection.checked_at)


def _permissions(connection: Connection, partner: Partner, row: CheckAnswer | None) -> Check:
    missing = partner.missing_permissions(Token("", tuple(connection.scopes)))
    answer = answers.missing(missing) if missing else gettext("all granted")
    state = State.BAD if missing else State.GOOD
    at = row.at if row else connection.connected_at
    return Check(gettext("Permissions"), state, answer, at)


def _ad_account(one: AdAccount, partner: Partner, newest: dict[Key, CheckAnswer]) -> Check:
    name = gettext("Ad account %(name)s") % {"name": one.name}
    if codes.of_ad_account(one):
        return Check(name, State.BAD, answers.refused(one.parked_code), one.parked_since)
    row = newest.get((Kind.AD_ACCOUNT, one.pk))
    if row is not None and row.result == State.BAD:
        return Check(name, State.BAD, answers.text_of(row), row.at).of_row(row)
    at = row.at if row else one.refreshed_at
    if at is None:
        return Check(name, State.UNKNOWN, gettext("not asked yet"), None)
    if one.status and one.status not in partner.active_statuses:
        return Check(name, State.BAD, answers.of_status(one.status, partner), at)
    if row is not None and row.result == State.UNKNOWN:
        return Check(name, State.UNKNOWN, answers.text_of(row), row.at).of_row(row)
    return Check(name, State.GOOD, gettext("open"), at).of_row(row)


def _audiences(accounts: list[_Account]) -> Check:
    """Return whether the audiences that steps use exist and take people."""
    n_used, n_broken = sum(one.n_used for one in accounts), sum(one.n_broken for one in accounts)
    name, answer = gettext("Audiences in use"), answers.of_audiences(n_broken, n_used)
    if n_broken:
        since = max(filter(None, (one.gone_since for one in accounts)), default=None)
        return Check(name, State.BAD, answer, since)
    asked = [one.row.refreshed_at for one in accounts if one.n_used]
    oldest = None if None in asked else min(filter(None, asked), default=None)
    return Check(name, State.GOOD if oldest else State.UNKNOWN, answer, oldest)


def _push(one: _Account, partner: Partner) -> Check:
    """Return the answer to the last request with people: it shows whether the app is allowed."""
    name = gettext("Last request for %(name)s") % {"name": one.row.name}
    if one.push_code == Push.ACCEPTED:
        return Check(name, State.GOOD, gettext("accepted"), one.pushed_at)
    error = partner.error_of(one.push_code or None)
    return Check(name, State.BAD, error.sentence(), one.pushed_at)
