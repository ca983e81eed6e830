"""Analytics: a table of steps, of all groups for staff or of one for its members; also as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from audiencesync.groups import access, exports
from audiencesync.groups.models import Activity
from canvases import analytics, reasons
from canvases.models import Step
from canvases.numbers import installation
from canvases.staff_table import lines, order, page
from canvases.staff_table.query import RANGES, StaffFilter, TableQuery
from canvases.steps import KINDS
from canvases.steps.base import Text
from canvases.views.numbers import step_page
from canvases.views.stage.canvas_page import wants_parts
from partners.health import titles
from partners.health.lines import RELATED
from partners.models import Incident, Sync

PAGE = 50
PAGE_TEMPLATE, CONTENT_TEMPLATE = "canvases/analytics/page.html", "canvases/analytics/_content.html"
INVALID_TEMPLATE = "canvases/analytics/_invalid.html"
POLL = "poll"
"""The id of the element that polls the numbers."""
COLUMNS = {
    "canvas": gettext_lazy("Canvas and component"),
    **analytics.METRICS,
    "error_rate": gettext_lazy("Error rate"),
    "oldest_pending": gettext_lazy("Oldest pending"),
    "connection": gettext_lazy("Connection"),
}
SECOND_LINES: dict[str, Text] = {
    "synced": gettext_lazy("today"),
    "pending": gettext_lazy("done about"),
    "error_rate": gettext_lazy("first try"),
    "oldest_pending": gettext_lazy("errors from"),
    "connection": gettext_lazy("requests/s"),
}
"""What the second line of a cell holds."""
LARGEST_FIRST = {*analytics.METRICS, "error_rate"}
NUMERIC = {*LARGEST_FIRST, "oldest_pending"}


@access.signed_in
@require_safe
def staff(request: HttpRequest) -> HttpResponseBase:
    """Show the steps of all groups; ``?format=csv`` downloads them."""
    access.staff(request)
    own_slugs = {group.slug for group in access.my_groups(request)}
    return _table(request, StaffFilter(request.GET), readable=own_slugs, is_staff=True)


@access.signed_in
@require_safe
def of_group(request: HttpRequest, group: str) -> HttpResponseBase:
    """Show the steps of one group, to every member."""
    slug = access.group(request).slug
    return _table(request, StaffFilter(request.GET, slug=slug), readable={slug}, is_staff=False)


@access.signed_in
@require_safe
def staff_step(request: HttpRequest, step_id: int) -> HttpResponseBase:
    """Show the numbers of a step of any group by reason; people are shown to its members only."""
    access.staff(request)
    step = get_object_or_404(Step.objects.select_related(*lines.RELATED), pk=step_id)
    kind, group = KINDS[step.kind], step.canvas.app_group
    numbers = analytics.step_numbers([step])[step.pk]
    context = {
        "step": step,
        "line": kind.line(step),
        "group": group,
        "metrics": numbers.metrics(sends=kind.sends),
        "groups": step_page.groups_of(step) if kind.sends else [],
        "troubles": [(titles.title(incident), incident) for incident in _incidents(step)],
        "is_member": access.my_groups(request).filter(pk=group.pk).exists(),
    }
    return render(request, "canvases/analytics/step.html", context)


def _incidents(step: Step) -> QuerySet[Incident]:
    """Return the open incidents of the places that a step sends to, or once sent to."""
    syncs = Sync.objects.filter(pk__in=reasons.all_syncs_of(step))
    places_q = Q(sync__in=syncs) | Q(audience__in=syncs.values("audience"))
    places_q |= Q(ad_account__in=syncs.values("audience__ad_account"))
    places_q |= Q(connection__in=syncs.values("audience__ad_account__connection"))
    incidents = Incident.objects.open().filter(places_q, app_group=step.canvas.app_group)
    return incidents.select_related(*RELATED).order_by("pk")


def _table(
    request: HttpRequest, form: StaffFilter, *, readable: set[str], is_staff: bool
) -> HttpResponseBase:
    """Answer with the table. ``readable``: slugs of groups whose people the user may see."""
    now, address = timezone.now(), _address(request)
    if not form.is_valid():
        response = _answer(
            request, {"form": form, "is_invalid": True}, part=INVALID_TEMPLATE, status=422
        )
        # Keep the address out of the history: htmx shows no error page when it goes back to one.
        response["HX-Push-Url"] = "false"
        return response
    query = form.query()
    table = lines.read(query, now=now)
    ordered = order.sort_lines(table, query.sort)
    if request.GET.get("format") == "csv":
        return _csv(request, table, ordered, now=now)
    page_of_lines = Paginator(ordered, PAGE).get_page(request.GET.get("page"))
    forecast = page.send_forecast(table, page_of_lines.object_list, now=now)
    rows = page.rows(table, list(page_of_lines.object_list), forecast, now=now)
    context = {
        "form": form,
        "chips": form.chips(),
        "ranges": _ranges(form, query),
        "page": page_of_lines,
        "rows": rows,
        "heads": page.heads(rows, forecast),
        "is_by_group": is_staff and order.is_by_group(query.sort),
        "names_groups": is_staff and not order.is_by_group(query.sort),
        "totals": lines.totals(table),
        "done_at": forecast.done_at,
        "readable": readable,
        "state": installation.read(now=now) if is_staff else None,
        "columns": _columns(query.sort),
        "has_dates": query.has_dates,
        "address": request.build_absolute_uri(address),
        "here": address,
        "now": now,
    }
    response = _answer(request, context, part=CONTENT_TEMPLATE)
    if request.headers.get("HX-Trigger") != POLL:  # the poll asks for the page that is shown
        response["HX-Push-Url"] = address
    return response


def _csv(
    request: HttpRequest, table: lines.Table, ordered: Sequence[lines.Line], *, now: datetime
) -> HttpResponseBase:
    return exports.csv_file(
        request,
        [table.groups[pk].row for pk in {line.group for line in ordered}],
        page.csv_rows(table, ordered, now=now),
        name="analytics",
        subject=_("Analytics"),
        kind=Activity.Kind.GROUP,
    )


def _answer(
    request: HttpRequest, context: dict[str, Any], *, part: str, status: int = 200
) -> HttpResponse:
    """Answer with the page; for htmx only with its ``part``."""
    template = part if wants_parts(request) else PAGE_TEMPLATE
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _address(request: HttpRequest) -> str:
    """Return the address without empty parameters. Remove these from ``request.GET``, for links."""
    params = request.GET.copy()
    for name in [name for name, value in params.items() if not value]:
        del params[name]
    request.GET = params  # type: ignore[assignment]  # read by {% query %}
    return f"{request.path}?{params.urlencode()}" if params else request.path


def _ranges(form: StaffFilter, query: TableQuery) -> list[tuple[str, Text, bool]]:
    """Return (value, label, whether it is chosen) of each range; typed days take precedence."""
    range_name = form.cleaned_data["range"]
    has_own_days = bool(form.cleaned_data["since"] or form.cleaned_data["until"])
    return [
        (name, label, name == range_name and not has_own_days) for name, label in RANGES.items()
    ]


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column. ``to``: the order that a click on it chooses."""

    name: str
    label: Text
    below: Text
    to: str
    order: str

    @property
    def is_numeric(self) -> bool:
        """Return whether its cells stand at the right."""
        return self.name in NUMERIC


def _columns(sort: str) -> list[Column]:
    """Return the column heads. A second click reverses; numbers start with the largest."""
    heads = []
    for name, label in COLUMNS.items():
        orders = (f"-{name}", name) if name in LARGEST_FIRST else (name, f"-{name}")
        direction = {name: "ascending", f"-{name}": "descending"}.get(sort, "")
        to = orders[1] if sort == orders[0] else orders[0]
        heads.append(Column(name, label, SECOND_LINES.get(name, ""), to, direction))
    return heads
