"""Analytics: a table of steps, of all groups for staff or of one for its members; also as CSV."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from audiencesync.groups import access, exports
from audiencesync.groups.models import Activity, AppGroup
from canvases import analytics
from canvases.forms import StaffFilter
from canvases.numbers import installation

PAGE = 50
COLUMNS = {
    "canvas": gettext_lazy("Canvas and component"),
    **analytics.METRICS,
    "error_rate": gettext_lazy("Error rate"),
    "oldest_pending": gettext_lazy("Oldest pending"),
    "connection": gettext_lazy("Connection"),
}
NUMERIC = {*analytics.METRICS, "error_rate", "oldest_pending"}


@access.signed_in
@require_safe
def staff(request: HttpRequest) -> HttpResponseBase:
    """Show the steps of all groups; ``?format=csv`` downloads them."""
    access.staff(request)
    mine = {group.slug for group in access.my_groups(request)}
    state = installation.read(now=timezone.now())
    return _table(request, StaffFilter(request.GET), readable=mine, state=state)


@access.signed_in
@require_safe
def of_group(request: HttpRequest, group: str) -> HttpResponseBase:
    """Show the steps of one group, to every member."""
    slug = access.group(request).slug
    return _table(request, StaffFilter(request.GET, slug=slug), readable={slug})


def _table(
    request: HttpRequest,
    form: StaffFilter,
    *,
    readable: set[str],
    state: installation.State | None = None,
) -> HttpResponseBase:
    """``readable``: the slugs of groups whose canvases are linked. ``state``: for staff."""
    now = timezone.now()
    is_valid = form.is_valid()
    rows = analytics.staff_rows(form.query(), now=now) if is_valid else []
    if is_valid and request.GET.get("format") == "csv":
        slugs = readable if state is None else {row.group_slug for row in rows}
        return exports.csv_file(
            request,
            AppGroup.objects.filter(slug__in=slugs),
            analytics.csv_rows(rows),
            name="analytics",
            subject=_("Analytics"),
            kind=Activity.Kind.GROUP,
        )
    context = {
        "form": form,
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "totals": analytics.totals(rows),
        "readable": readable,
        "state": state,
        "columns": _columns(form.query().sort if is_valid else ""),
        "has_dates": is_valid and form.query().has_dates,
        "is_filtered": any(
            request.GET.get(name) for name in ("q", "group", "state", "since", "until")
        ),
    }
    return render(request, "canvases/analytics.html", context, status=200 if is_valid else 422)


def _columns(sort: str) -> list[dict[str, Any]]:
    """Return the column heads. A second click reverses; numbers start with the largest."""
    heads = []
    for name, label in COLUMNS.items():
        first, second = (f"-{name}", name) if name in NUMERIC else (name, f"-{name}")
        order = {name: "ascending", f"-{name}": "descending"}.get(sort, "")
        to = second if sort == first else first
        heads.append(
            {"name": name, "label": label, "to": to, "order": order, "is_numeric": name in NUMERIC}
        )
    return heads
