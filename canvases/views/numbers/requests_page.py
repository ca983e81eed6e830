"""The requests of a step, page by page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audiencesync.groups import access
from canvases import reasons
from canvases.models import Step
from canvases.steps import KINDS
from partners.numbers import requests

PAGE = 50
MAX_NEWEST = 8  # on the page of the step


@require_safe
@access.signed_in
def page(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """List the requests with people of a step; with ``?failed=1`` only failed ones."""
    step = access.get(request, Step, pk=step_id, canvas=canvas_id)
    failed = request.GET.get("failed") == "1"
    page_of_requests = requests.page(
        requests.of_syncs(reasons.all_syncs_of(step), failed=failed),
        PAGE,
        older_than=requests.parse_key(request.GET.get("before", "")),
        newer_than=requests.parse_key(request.GET.get("after", "")),
    )
    lines = requests.lines(page_of_requests.rows, reasons.partner_of(step))
    context: dict[str, Any] = {
        "step": step,
        "canvas": step.canvas,
        "line": KINDS[step.kind].line(step),
        "requests": lines,
        "failed": failed,
        "partner": reasons.partner_of(step),
        "page": {
            "older": lines[-1].key if lines and page_of_requests.has_older else "",
            "newer": lines[0].key if lines and page_of_requests.has_newer else "",
        },
    }
    return render(request, "canvases/numbers/requests.html", context)


def newest_requests(step: Step) -> dict[str, Any]:
    """Return the newest requests, for the page of the step."""
    page_of_requests = requests.page(requests.of_syncs(reasons.all_syncs_of(step)), MAX_NEWEST)
    partner = reasons.partner_of(step)
    return {
        "requests": requests.lines(page_of_requests.rows, partner),
        "has_older_requests": page_of_requests.has_older,
        "partner": partner,
    }
