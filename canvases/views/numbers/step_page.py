"""The page of the numbers of one step."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from audiencesync.groups import access
from canvases import reasons
from canvases.models import Canvas, Step
from canvases.numbers import hours_retention
from canvases.numbers import step as step_numbers
from canvases.numbers.ranges import Range
from canvases.reasons import Why
from canvases.steps import KINDS
from canvases.steps.audience_form import FIELD_NAMES
from canvases.steps.base import Text
from canvases.views.numbers import requests_page
from canvases.views.numbers.chart_card import PART, ChartCard, download
from canvases.views.stage import canvas_page
from canvases.views.stage.cards import Card
from partners.models import Outcome, Sync
from partners.numbers import delays, pace

FILL_CLASSES = {
    "synced": "fill-synced",
    "not_synced": "fill-grey",
    "pending": "fill-pending",
    "errored": "fill-bad",
}


@dataclass(slots=True)
class Group:
    """People with one outcome, by reason. ``list_name``: the name of their list."""

    outcome: str
    list_name: str
    title: Text
    whys: list[Why] = field(default_factory=list)

    @property
    def n(self) -> int:
        """Return the number of people."""
        return sum(why.n for why in self.whys) + self.rest

    @property
    def rest(self) -> int:
        """Return how many people are not counted by reason. Each reason stores this number."""
        return max((why.rest for why in self.whys), default=0)


@require_safe
@access.signed_in
def page(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponseBase:
    """Show the numbers of a step; for htmx only the card with the chart.

    ``?format=csv`` downloads the numbers of the chart.
    """
    now = timezone.now()
    step = access.get(request, Step, pk=step_id, canvas=canvas_id)
    template, context = "canvases/numbers/step.html", _chart(request, step, now=now)
    if request.GET.get("format") == "csv":
        return download(request, step.canvas, context["card_of_chart"], f"step-{step.pk}")
    if canvas_page.wants_parts(request):
        template = PART
    else:
        context |= _numbers(step, now=now)
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _chart(request: HttpRequest, step: Step, *, now: datetime) -> dict[str, Any]:
    canvas = step.canvas
    sends = KINDS[step.kind].sends
    counting_since = canvas.first_entry_at or canvas.created_at
    since = step_numbers.first_hour(step, sends=sends) or counting_since
    zone = ZoneInfo(canvas.app_group.time_zone)
    span = Range.of_query(request.GET, since=since, zone=zone)
    chart = step_numbers.of_step(step, span.bins(now=now), sends=sends)
    card = ChartCard(chart, span, now, hours_retention.deletion_note(counting_since, now=now))
    return {"card_of_chart": card, "canvas": canvas}


def _numbers(step: Step, *, now: datetime) -> dict[str, Any]:
    canvas = Canvas.objects.select_related("app_group").get(pk=step.canvas_id)
    flow = canvas_page.read(canvas, now=now)
    card = flow.any_card(step.pk)
    if card is None:
        raise Http404
    context = {"card": card, "step": card.step, "metrics": _metrics(card)}
    if card.sends:
        context |= _sending_context(card, now=now) | requests_page.newest_requests(card.step)
    return context


def _parts(card: Card) -> list[tuple[str, str, str]]:
    """Return (CSS class, x, width) for each part of the bar, in per cent of those who entered."""
    counts = {name: getattr(card.numbers, name) for name in FILL_CLASSES}
    total, x, parts = sum(counts.values()) + card.numbers.cancelled, 0, []
    for name, n in counts.items():
        if n:
            parts.append((FILL_CLASSES[name], f"{100 * x / total:.3f}%", f"{100 * n / total:.3f}%"))
        x += n
    return parts


def _metrics(card: Card) -> list[dict[str, Any]]:
    """Return each metric with its share of the people who entered."""
    entered = card.numbers.entered or 0
    return [
        {
            "name": name,
            "label": label,
            "n": n,
            "share": round(100 * n / entered, 1) if entered and n is not None else None,
            "css": FILL_CLASSES.get(name, ""),
        }
        for name, label, n in card.metrics
    ]


def _sending_context(card: Card, *, now: datetime) -> dict[str, Any]:
    """Return the context that only a step that sends people has."""
    sync = card.step.sync
    syncs = list(Sync.objects.filter(steps=card.step).order_by("pk"))
    return {
        "parts": _parts(card),
        "pace": pace.of_sync(sync, now=now) if sync is not None else None,
        "delays": delays.of_syncs(syncs),
        "groups": groups_of(card.step),
        "fields": [FIELD_NAMES[kind] for kind in sync.kinds] if sync is not None else [],
        "problem": card.problems[0] if card.problems else None,
        "is_held": any(not problem.is_passing for problem in card.problems),
    }


def groups_of(step: Step) -> list[Group]:
    """Return the reasons by outcome: the first two always, the others if there are people."""
    groups = {
        Outcome.NOT_SYNCED.value: Group("not_synced", "not_synced", _("Not synced")),
        Outcome.ERRORED.value: Group("errored", "errored", _("Errored")),
    }
    for why in reasons.reasons(step):
        # People who left have the same outcomes, which say what became of their removal.
        key = f"left-{why.outcome}" if why.is_removal else why.outcome
        groups.setdefault(key, Group(key, why.list_name, why.heading)).whys.append(why)
    return list(groups.values())
