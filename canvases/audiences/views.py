"""The list of a group's audiences, the page of one, a new one, and its deletion."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import F, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audiencesync.core import htmx
from audiencesync.core.charts import bins
from audiencesync.groups import access
from audiencesync.groups.models import AppGroup, Role
from canvases.audiences import numbers
from canvases.audiences.forms import LookalikeForm, NewAudienceForm
from canvases.numbers import audience_uses, hours_retention
from partners import audiences, registry
from partners.audiences import deletion, lookalike
from partners.connections import affected, problems
from partners.errors import PartnerError
from partners.incidents import thresholds
from partners.models import Action, AdAccount, Audience

PAGE = 50
DAYS = 30
NEAR_CUTOFF = timedelta(days=1)
"""If the first kept addition is this close to the oldest kept hour, earlier ones may be deleted."""


@dataclass(frozen=True, slots=True)
class AccountUse:
    """How many audiences an ad account has, and how many the partner allows (``most``)."""

    ad_account: AdAccount
    most: int
    warn_left: int  # with this number or fewer left, the account is nearly full

    @property
    def is_nearly_full(self) -> bool:
        """Return whether few or none are left."""
        return (self.ad_account.n_audiences or 0) >= self.most - self.warn_left

    @property
    def is_full(self) -> bool:
        """Return whether none is left."""
        return (self.ad_account.n_audiences or 0) >= self.most


@require_safe
@access.signed_in
def list_audiences(request: HttpRequest, group: str) -> HttpResponse:
    """List the audiences, the largest first."""
    return _list(request, NewAudienceForm(app_group=access.group(request)))


def _list(request: HttpRequest, form: NewAudienceForm) -> HttpResponse:
    app_group = access.group(request)
    q = request.GET.get("q", "").replace("\0", "")[:200]
    rows = access.all_of(request, Audience).exclude(remote_id="").filter(_shown_q())
    rows = rows.filter(name__icontains=q) if q else rows
    rows = rows.select_related("ad_account__connection").annotate(
        n_add=audience_uses.live_canvases(Action.ADD),
        n_remove=audience_uses.live_canvases(Action.REMOVE),
    )
    page = Paginator(rows.order_by(F("size").desc(nulls_last=True), "name", "pk"), PAGE)
    context = {
        "page": page.get_page(request.GET.get("page")),
        "q": q,
        "form": form,
        "accounts": _accounts(app_group),
    }
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "canvases/audiences/audiences.html", context, status=status)


def _shown_q() -> Q:
    """Return the condition on audiences that exist, or that live steps still use."""
    return Q(gone_at=None, ad_account__is_chosen=True) | Q(syncs__is_live=True)


def _accounts(app_group: AppGroup) -> list[AccountUse]:
    accounts = AdAccount.objects.filter(connection__app_group=app_group, is_chosen=True)
    warn_left = thresholds.of_group(app_group).audiences_left
    return [
        AccountUse(
            account,
            registry.get(account.connection.partner).max_audiences_per_ad_account,
            warn_left,
        )
        for account in accounts.select_related("connection")
    ]


@require_POST
@access.signed_in
def create(request: HttpRequest, group: str) -> HttpResponse:
    """Create an audience at the partner and show its page."""
    form = NewAudienceForm(request.POST, app_group=access.group(request, Role.MARKETER))
    if not form.is_valid():
        return _list(request, form)
    ad_account, name = form.cleaned_data["ad_account"], form.cleaned_data["name"]
    try:
        row = audiences.create(ad_account, name, by=access.user(request), now=timezone.now())
    except (audiences.AudienceNameError, PartnerError) as error:
        form.add_error("name", error.sentence())
        return _list(request, form)
    messages.success(request, _("“%(name)s” was created as a new audience") % {"name": row.name})
    return redirect("audience", group, row.pk)


@require_safe
@access.signed_in
def audience(request: HttpRequest, group: str, audience_id: int) -> HttpResponse:
    """Show one audience: its size by day, who is in it, who adds and removes people."""
    return _page(request, _row(request, audience_id))


def _page(request: HttpRequest, row: Audience, form: LookalikeForm | None = None) -> HttpResponse:
    now, app_group = timezone.now(), access.group(request)
    status = 422 if form is not None else 200
    if form is None and lookalike.can_seed(row):
        form = LookalikeForm(source=row)
    uses, partner = numbers.uses(row), audiences.partner_of(row.ad_account)
    sizes = numbers.sizes(row, DAYS, now=now)
    size_before = numbers.size_before(row, DAYS - 1, now=now)
    members, since = numbers.count_members(numbers.people(row)), numbers.first_added_at(row)
    counted = numbers.last_count(row) if members is None else None
    context = {
        "audience": row,
        "partner": partner,
        # An audience that no component sends to has no problem to show.
        "problem": problems.of_audience(row) if numbers.is_in_use(uses) else None,
        "why_not": _(row.why_not) if row.why_not else "",
        "uses": uses,
        "is_conflict": numbers.is_conflict(uses),
        "sizes": sizes,
        "n_days": sum(n > 0 for n in sizes.series[0].values),
        "growth": (row.size or 0) - size_before if size_before is not None else None,
        "members": counted.n if counted else members,
        "counted_at": counted.counted_at if counted else None,
        "most_members": numbers.most_members(row) if members is None and not counted else None,
        "since": since,
        "is_since_before": since is not None
        and hours_retention.are_older_deleted(since - NEAR_CUTOFF, now=now),
        "changes": numbers.changes(row, _last_days(app_group, now=now)),
        "form": form,
        "days": DAYS,
        "is_table": request.GET.get("view") == "table",
        "used": AccountUse(
            row.ad_account,
            partner.max_audiences_per_ad_account,
            thresholds.of_group(app_group).audiences_left,
        ),
    }
    return render(request, "canvases/audiences/audience.html", context, status=status)


@require_POST
@access.signed_in
def create_lookalike(request: HttpRequest, group: str, audience_id: int) -> HttpResponse:
    """Create a lookalike at the partner and show its page."""
    row = _row(request, audience_id, Role.MARKETER)
    form = LookalikeForm(request.POST, source=row)
    if not form.is_valid():
        return _page(request, row, form)
    try:
        created = lookalike.create(row, form.wanted(), by=access.user(request), now=timezone.now())
    except (audiences.AudienceNameError, PartnerError) as error:
        form.add_error("name", error.sentence())
        return _page(request, row, form)
    messages.success(
        request, _("“%(name)s” was created as a new audience") % {"name": created.name}
    )
    return redirect("audience", group, created.pk)


def _last_days(app_group: AppGroup, *, now: datetime) -> bins.Bins:
    zone = ZoneInfo(app_group.time_zone)
    today = now.astimezone(zone).date()
    return bins.days(today - timedelta(days=DAYS - 1), today, zone)


def _row(request: HttpRequest, audience_id: int, role: Role = Role.VIEWER) -> Audience:
    """Return an audience of the group that the partner has confirmed. Raises Http404."""
    row = access.get(request, Audience, role, pk=audience_id)
    if not row.remote_id:
        raise Http404
    return row


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def delete(request: HttpRequest, group: str, audience_id: int) -> HttpResponse:
    """Show a question that names the live canvases; on POST, delete the audience at the partner."""
    row, now = _row(request, audience_id, Role.ADMIN), timezone.now()
    error = ""
    if request.method == "POST":
        try:
            if row.gone_at is None:
                deletion.delete(row, by=access.user(request), now=now)
        except PartnerError as failure:
            error = failure.sentence()
        else:
            params = {"name": row.name, "partner": audiences.partner_of(row.ad_account).label}
            messages.success(request, _("“%(name)s” was deleted at %(partner)s.") % params)
            return redirect("group_audiences", group)
    context: dict[str, Any] = {
        "audience": row,
        "partner": audiences.partner_of(row.ad_account),
        "affected": affected.steps_of(row),
        "error": error,
    }
    template = "canvases/audiences/delete.html" + ("#ask" if htmx.asks(request) else "")
    return render(request, template, context, status=422 if error else 200)
