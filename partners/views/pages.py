"""Pages for all members: the partners, one partner, the audiences of an ad account."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audiencesync.groups import access
from audiencesync.groups.models import AppGroup, Role
from partners import audiences, faq, registry, why_pending
from partners.base import Partner
from partners.connections import oauth, problems
from partners.connections.problems import Problem, Severity
from partners.errors import PartnerError
from partners.incidents import codes
from partners.models import AdAccount, Connection

NOT_YET = ("Facebook", "Google", "Pinterest", "Snapchat")
PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class AdAccountLine:
    """An ad account on the partner page."""

    ad_account: AdAccount
    problem: Problem | None


@require_safe
@access.signed_in
def partners(request: HttpRequest, group: str) -> HttpResponse:
    """Show the partners as tiles."""
    connections = {
        connection.partner: connection for connection in access.all_of(request, Connection)
    }
    now = timezone.now()
    tiles = [
        (partner, _state(connections.get(partner.key), [], now=now))
        for partner in registry.PARTNERS
    ]
    return render(request, "partners/partners.html", {"tiles": tiles, "not_yet": NOT_YET})


@require_safe
@access.signed_in
def partner(request: HttpRequest, group: str, partner: str) -> HttpResponse:
    """Show one partner, its connection and its ad accounts."""
    app_group, found, now = access.group(request), known(partner), timezone.now()
    connection = connection_of(request, app_group, found)
    lines = _ad_account_lines(connection, now=now) if connection and connection.is_connected else []
    context = {
        "partner": found,
        "connection": connection,
        "state": _state(connection, lines, now=now),
        "problem": _problem(connection, lines, now=now),
        "lines": lines,
        "faq": faq.of(found),
        "not_configured": "" if found.is_configured() else oauth.not_configured(found),
    }
    return render(request, "partners/partner.html", context)


@require_safe
@access.signed_in
def ad_account_audiences(
    request: HttpRequest, group: str, partner: str, ad_account_id: int
) -> HttpResponse:
    """Show the audiences of one ad account as last read from the partner."""
    ad_account = get_ad_account(request, partner, ad_account_id)
    q = request.GET.get("q", "").replace("\0", "")[:200]
    rows = audiences.choices(ad_account)
    rows = rows.filter(name__icontains=q) if q else rows
    context = {
        "partner": known(partner),
        "ad_account": ad_account,
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "q": q,
        "problem": problems.of_connection(ad_account.connection, now=timezone.now()),
    }
    return render(request, "partners/audiences.html", context)


@require_POST
@access.signed_in
def refresh_audiences(
    request: HttpRequest, group: str, partner: str, ad_account_id: int
) -> HttpResponse:
    """Read the audiences from the partner again."""
    ad_account = get_ad_account(request, partner, ad_account_id, Role.MARKETER)
    try:
        is_read = audiences.refresh(ad_account, now=timezone.now())
    except PartnerError as error:
        messages.error(request, error.sentence())
    else:
        done, fresh = (
            _("The list is up to date."),
            _("The list was read within the last minute. Try again soon."),
        )
        messages.success(request, done) if is_read else messages.info(request, fresh)
    return redirect("audiences", group, partner, ad_account.pk)


def known(key: str) -> Partner:
    """Return the partner with this key. Raises Http404."""
    found = oauth.registered(key)
    if found is None:
        raise Http404
    return found


def connection_of(request: HttpRequest, app_group: AppGroup, partner: Partner) -> Connection | None:
    """Return the group's connection to a partner, or None; it may be disconnected."""
    rows = access.all_of(request, Connection).select_related("connected_by")
    connection = rows.filter(partner=partner.key).first()
    if connection:
        connection.app_group = app_group
    return connection


def get_ad_account(
    request: HttpRequest, partner: str, ad_account_id: int, role: Role = Role.VIEWER
) -> AdAccount:
    """Return a chosen ad account of this group and partner. Raises Http404."""
    lookup = {"pk": ad_account_id, "connection__partner": known(partner).key, "is_chosen": True}
    ad_account = access.get(request, AdAccount, role, **lookup)
    ad_account.connection.app_group = access.group(request)
    return ad_account


def _ad_account_lines(connection: Connection, *, now: datetime) -> list[AdAccountLine]:
    lines, busy = [], why_pending.busy_ad_accounts(connection)
    for ad_account in connection.ad_accounts.filter(is_chosen=True):
        ad_account.connection = connection
        problem = problems.of_ad_account(ad_account)
        if problem is None and ad_account.pk in busy:
            problem = why_pending.of_ad_account(ad_account, now=now)
        lines.append(AdAccountLine(ad_account, problem))
    return lines


def _problem(
    connection: Connection | None, lines: list[AdAccountLine], *, now: datetime
) -> Problem | None:
    """Return the problem of a connection that should work, or None."""
    if connection is None or not connection.is_connected:
        return None
    found = problems.of_connection(connection, now=now)
    if found is None and not lines:
        text = _(
            "No ad account is connected any more. Press Change account and choose at least one."
        )
        return Problem("no_ad_account", text, "")
    return found


def _state(connection: Connection | None, lines: list[AdAccountLine], *, now: datetime) -> str:
    """Return ``connected``, ``attention`` or ``none``."""
    if connection is None or not connection.is_connected:
        return "none"
    broken = [line for line in lines if line.problem and line.problem.severity is Severity.DANGER]
    return "attention" if broken or codes.of_connection(connection) else "connected"
