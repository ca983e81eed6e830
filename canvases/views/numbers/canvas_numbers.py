"""The page of the numbers of a canvas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audiencesync.core.csv_files import Cell
from audiencesync.groups import access
from canvases.models import Canvas
from canvases.numbers import canvas as canvas_numbers
from canvases.numbers import hours_retention
from canvases.numbers.ranges import Range
from canvases.views.numbers.chart_card import PART, ChartCard, csv_file, download
from canvases.views.stage import canvas_page
from canvases.views.stage.canvas_page import Flow
from canvases.views.stage.cards import Card


@dataclass(frozen=True, slots=True)
class FunnelLine:
    """A component in the order of reading, and how many of those who entered came to it."""

    card: Card
    share: float | None
    is_removed: bool = False

    @property
    def width(self) -> str:
        """Return the length of its bar, in per cent."""
        return f"{min(100.0, self.share or 0):.2f}%"


@require_safe
@access.signed_in
def page(request: HttpRequest, group: str, canvas_id: int) -> HttpResponseBase:
    """Show the numbers of a canvas; for htmx only the card with the chart.

    ``?format=csv`` downloads the components, with ``rows=time`` the chart.
    """
    now = timezone.now()
    canvas = access.get(request, Canvas, pk=canvas_id)
    card_of_chart = _chart(request, canvas, now=now)
    is_csv = request.GET.get("format") == "csv"
    if is_csv and request.GET.get("rows") == "time":
        return download(request, canvas, card_of_chart, f"canvas-{canvas.pk}")
    context: dict[str, Any] = {"card_of_chart": card_of_chart, "canvas": canvas}
    if canvas_page.wants_parts(request) and not is_csv:
        response = render(request, PART, context)
    else:
        flow = canvas_page.read(canvas, now=now)
        lines = _funnel(flow)
        if is_csv:
            return csv_file(request, canvas, _csv_rows(lines, flow), f"canvas-{canvas.pk}")
        context |= {"flow": flow, "funnel": lines, "ends": canvas_numbers.ends(canvas)}
        response = render(request, "canvases/numbers/canvas.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _chart(request: HttpRequest, canvas: Canvas, *, now: datetime) -> ChartCard:
    zone = ZoneInfo(canvas.app_group.time_zone)
    counting_since = canvas.first_entry_at or canvas.launched_at or canvas.created_at
    span = Range.of_query(
        request.GET, since=canvas_numbers.first_hour(canvas) or counting_since, zone=zone
    )
    chart = canvas_numbers.entries(canvas, span.bins(now=now))
    return ChartCard(chart, span, now, hours_retention.deletion_note(counting_since, now=now))


def _funnel(flow: Flow) -> list[FunnelLine]:
    entered = flow.canvas.entered
    return [
        FunnelLine(
            card,
            round(100 * (card.numbers.entered or 0) / entered, 1) if entered else None,
            card.step.removed_at is not None,
        )
        for card in flow.all_cards
    ]


def _csv_rows(lines: Iterable[FunnelLine], flow: Flow) -> Iterator[list[Cell]]:
    yield [_("Component"), _("Branch"), *(str(label) for _name, label in flow.heads)]
    for line in lines:
        columns = line.card.columns
        numbers = ["" if n is None else n for _name, _label, n in columns]
        yield [str(line.card.line), str(line.card.branch_label), *numbers]
