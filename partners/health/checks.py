"""What was last checked at a partner, when, and with which answer: access, ad accounts, audiences.

Only what is stored is read; nothing is asked here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.db.models import Count, Exists, Max, OuterRef, Q, Subquery
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from audiencesync.groups.models import AppGroup
from partners import registry
from partners.base import Partner, Token
from partners.incidents import codes, present
from partners.models import AdAccount, Connection, Push

OK = "0"
"""The code of a push that was accepted."""


class State(StrEnum):
    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. ``at``: when its answer came, or since when it is so; None if never asked."""

    name: str
    state: State
    answer: str
    at: datetime | None


@dataclass(slots=True)
class Report:
    """The checks of one connection."""

    partner: Partner
    checks: list[Check] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return all(check.state is State.GOOD for check in self.checks)


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
    """Return the checks of each connection of a group; two queries."""
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
    report = Report(partner, [_access(connection, partner)])
    if connection.is_connected:
        report.checks.append(_permissions(connection, partner))
        report.checks += [_ad_account(one.row, partner) for one in accounts]
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
            answer = gettext("refused with the code %(code)s") % {"code": connection.parked_code}
            return Check(name, State.BAD, answer, connection.parked_since)
        case _:
            answer = gettext("our keys do not open it")
            return Check(name, State.BAD, answer, connection.checked_at)


def _permissions(connection: Connection, partner: Partner) -> Check:
    missing = partner.missing_permissions(Token("", tuple(connection.scopes)))
    answer = gettext("all granted")
    if missing:
        answer = gettext("missing: %(names)s") % {"names": ", ".join(map(str, missing))}
    state = State.BAD if missing else State.GOOD
    return Check(gettext("Permissions"), state, answer, connection.connected_at)


def _ad_account(one: AdAccount, partner: Partner) -> Check:
    name = gettext("Ad account %(name)s") % {"name": one.name}
    if codes.of_ad_account(one):
        answer = gettext("refused with the code %(code)s") % {"code": one.parked_code}
        return Check(name, State.BAD, answer, one.parked_since)
    if one.refreshed_at is None:
        return Check(name, State.UNKNOWN, gettext("not asked yet"), None)
    if one.status and one.status not in partner.active_statuses:
        answer = str(partner.ad_account_statuses.get(one.status, one.status))
        return Check(name, State.BAD, answer, one.refreshed_at)
    return Check(name, State.GOOD, gettext("open"), one.refreshed_at)


def _audiences(accounts: list[_Account]) -> Check:
    """Return whether the audiences that steps use exist and take people."""
    n_used, n_broken = sum(one.n_used for one in accounts), sum(one.n_broken for one in accounts)
    words = {"n": number_format(n_used), "broken": number_format(n_broken)}
    if n_broken:
        answer = gettext("%(broken)s of %(n)s cannot be used") % words
        since = max(filter(None, (one.gone_since for one in accounts)), default=None)
        return Check(gettext("Audiences in use"), State.BAD, answer, since)
    answer = ngettext("%(n)s exists", "all %(n)s exist", n_used) % words
    asked = [one.row.refreshed_at for one in accounts if one.n_used]
    oldest = None if None in asked else min(filter(None, asked), default=None)
    state = State.GOOD if oldest else State.UNKNOWN
    return Check(gettext("Audiences in use"), state, answer, oldest)


def _push(one: _Account, partner: Partner) -> Check:
    """Return the answer to the last request with people: it shows whether the app is allowed."""
    name = gettext("Last request for %(name)s") % {"name": one.row.name}
    if one.push_code == OK:
        return Check(name, State.GOOD, gettext("accepted"), one.pushed_at)
    error = partner.error_of(one.push_code or None)
    return Check(name, State.BAD, error.sentence(), one.pushed_at)
