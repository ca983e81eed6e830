"""The overview of an app group."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from audiencesync.groups import access
from audiencesync.groups.models import AppGroup
from canvases import recipes
from canvases.models import Canvas
from canvases.numbers import ranges
from canvases.numbers.ranges import Range
from canvases.overview import first_steps, numbers
from partners.health import checks as health_checks
from partners.health import lines as health_lines

RANGES = (ranges.WEEK, ranges.MONTH)
MAX_COUNTED = 100_000  # profiles: they are counted every half minute, for a line of text


@require_safe
@access.signed_in
def overview(request: HttpRequest, group: str) -> HttpResponse:
    """Show what needs attention and what is live; to a new group its first steps.

    Answer htmx with only the part that is read again every half minute.
    """
    app_group = access.group(request)
    steps = first_steps.of_member(access.membership(request))
    if steps is not None:
        context: dict[str, Any] = {"first_steps": steps, "recipes": recipes.RECIPES.values()}
        return render(request, "canvases/overview/new.html", context)
    is_part = request.headers.get("HX-Target") == "overview"
    template = "canvases/overview/_numbers.html" if is_part else "canvases/overview/overview.html"
    response = render(request, template, _numbers(request, app_group))
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def _numbers(request: HttpRequest, app_group: AppGroup) -> dict[str, Any]:
    now = timezone.now()
    zone = ZoneInfo(app_group.time_zone)
    # `since` is where the range "all" begins: it is not used, as RANGES does not have it.
    span = Range.of_query(request.GET, since=now, zone=zone, names=RANGES)
    live, n_live = numbers.live_canvases(app_group, now=now)
    audiences, n_audiences = numbers.audiences(app_group)
    n_people = app_group.profiles.order_by().values("pk")[: MAX_COUNTED + 1].count()
    return {
        "now": now,
        "n_people": min(n_people, MAX_COUNTED),
        "is_more": n_people > MAX_COUNTED,
        "attention": health_lines.of_group(app_group),
        "synced": numbers.synced(app_group, ranges.DAYS[span.name], now=now),
        "span": span,
        "ranges": span.ranges(RANGES),
        "query": span.query(),
        "canvases": live,
        "n_live": n_live,
        "n_canvases": Canvas.objects.filter(app_group=app_group)
        .exclude(state=Canvas.State.ARCHIVED)
        .count(),
        "audiences": audiences,
        "n_audiences": n_audiences,
        "reports": health_checks.of_group(app_group),
    }
