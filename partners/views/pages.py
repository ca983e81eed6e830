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

PLANNED_PARTNERS = ("Facebook", "Google", "Pinterest", "Snapchat")
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
    tiles = [(partner, _state(connections.get(partner.key), [])) for partner in registry.PARTNERS]
    return render(request, "partners/partners.html", {"tiles": tiles, "not_yet": PLANNED_PARTNERS})


@require_safe
@access.signed_in
def partner(request: HttpRequest, group: str, partner_key: str) -> HttpResponse:
    """Show one partner, its connection and its ad accounts."""
    app_group, partner, now = access.group(request), partner_or_404(partner_key), timezone.now()
    connection = connection_of(request, app_group, partner)
    lines = _ad_account_lines(connection, now=now) if connection and connection.is_connected else []
    context = {
        "partner": partner,
        "connection": connection,
        "state": _state(connection, lines),
        "problem": _connection_problem(connection, lines),
        "lines": lines,
        "faq": faq.of(partner),
        "not_configured": "" if partner.is_configured() else oauth.not_configured_text(partner),
    }
    return render(request, "partners/partner.html", context)


@require_safe
@access.signed_in
def ad_account_audiences(
    request: HttpRequest, group: str, partner_key: str, ad_account_id: int
) -> HttpResponse:
    """Show the audiences of one ad account as last read from the partner."""
    ad_account = get_ad_account(request, partner_key, ad_account_id)
    search = request.GET.get("q", "").replace("\0", "")[:200]
    audience_rows = audiences.choices(ad_account)
    audience_rows = audience_rows.filter(name__icontains=search) if search else audience_rows
    context = {
        "partner": partner_or_404(partner_key),
        "ad_account": ad_account,
        "page": Paginator(audience_rows, PER_PAGE).get_page(request.GET.get("page")),
        "q": search,
        "problem": problems.of_connection(ad_account.connection),
    }
    return render(request, "partners/audiences.html", context)


@require_POST
@access.signed_in
def refresh_audiences(
    request: HttpRequest, group: str, partner_key: str, ad_account_id: int
) -> HttpResponse:
    """Read the audiences from the partner again."""
    ad_account = get_ad_account(request, partner_key, ad_account_id, Role.MARKETER)
    try:
        is_read = audiences.refresh(ad_account, now=timezone.now())
    except PartnerError as error:
        messages.error(request, error.sentence())
    else:
        up_to_date, too_early = (
            _("The list is up to date."),
            _("The list was read within the last minute. Try again soon."),
        )
        messages.success(request, up_to_date) if is_read else messages.info(request, too_early)
    return redirect("audiences", group, partner_key, ad_account.pk)


def partner_or_404(key: str) -> Partner:
    """Return the partner with this key, which comes from the URL. Raises Http404."""
    partner = oauth.find_partner(key)
    if partner is None:
        raise Http404
    return partner


def connection_of(request: HttpRequest, app_group: AppGroup, partner: Partner) -> Connection | None:
    """Return the group's connection to a partner, or None; it may be disconnected."""
    connections = access.all_of(request, Connection).select_related("connected_by")
    connection = connections.filter(partner=partner.key).first()
    if connection:
        connection.app_group = app_group
    return connection


def get_ad_account(
    request: HttpRequest, partner_key: str, ad_account_id: int, role: Role = Role.VIEWER
) -> AdAccount:
    """Return a chosen ad account of this group and partner. Raises Http404."""
    partner = partner_or_404(partner_key)
    lookup = {"pk": ad_account_id, "connection__partner": partner.key, "is_chosen": True}
    ad_account = access.get(request, AdAccount, role, **lookup)
    ad_account.connection.app_group = access.group(request)
    return ad_account


def _ad_account_lines(connection: Connection, *, now: datetime) -> list[AdAccountLine]:
    lines, pending_ids = [], why_pending.ids_with_pending(connection)
    for ad_account in connection.ad_accounts.filter(is_chosen=True):
        ad_account.connection = connection
        problem = problems.of_ad_account(ad_account)
        if problem is None and ad_account.pk in pending_ids:
            problem = why_pending.of_ad_account(ad_account, now=now)
        lines.append(AdAccountLine(ad_account, problem))
    return lines


def _connection_problem(
    connection: Connection | None, lines: list[AdAccountLine]
) -> Problem | None:
    """Return the problem of a connection that should work, or None."""
    if connection is None or not connection.is_connected:
        return None
    problem = problems.of_connection(connection)
    if problem is None and not lines:
        text = _(
            "No ad account is connected any more. Press Change account and choose at least one."
        )
        return Problem("no_ad_account", text, "")
    return problem


def _state(connection: Connection | None, lines: list[AdAccountLine]) -> str:
    """Return the state that the page shows: ``connected``, ``attention`` or ``none``."""
    if connection is None or not connection.is_connected:
        return "none"
    problems_of_lines = [line.problem for line in lines if line.problem]
    is_broken = any(problem.severity is Severity.DANGER for problem in problems_of_lines)
    return "attention" if is_broken or codes.of_connection(connection) else "connected"
