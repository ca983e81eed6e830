"""The tab of a step that says who would be sent, with ten people behind each number."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.groups import access
from audiencesync.groups.models import Activity, Role
from audiencesync.people import masking
from audiencesync.people.models import Profile
from audiencesync.people.segments import filters
from audiencesync.people.segments.builder.numbers import FIRST_SECONDS, MOST_SECONDS
from canvases.prospects import StepForecast
from canvases.views.stage.canvas_page import Flow
from canvases.views.stage.cards import Card


def context(request: HttpRequest, flow: Flow, card: Card, *, now: datetime) -> dict[str, Any]:
    """Return the numbers of the step, and the people behind the number ``people``.

    They are counted within two seconds; with ``wait``, within ten.
    """
    if unknown := _not_set_up(flow, card):
        return {"unknown": unknown}
    has_waited, number_key = "wait" in request.GET, request.GET.get("people", "")
    try:
        with at_most(MOST_SECONDS if has_waited else FIRST_SECONDS):
            forecast = StepForecast(
                flow.canvas, [flow_card.step for flow_card in flow.cards], card.step, now=now
            )
            numbers = {"forecast": forecast, "outlook": forecast.outlook(), "asked": number_key}
            rows = forecast.first_people(number_key) if number_key else []
    except filters.FilterError:
        return {"unknown": card}
    except TooSlow:
        return {"is_counting": not has_waited, "is_too_slow": has_waited, "asked": number_key}
    return numbers | _people(request, flow, rows, now=now)


def _not_set_up(flow: Flow, card: Card) -> Card | None:
    """Return the first split up to this card whose conditions are not chosen yet."""
    cards_up_to = flow.cards[: card.number]
    return next((card_before for card_before in cards_up_to if not _is_known(card_before)), None)


def _is_known(card: Card) -> bool:
    return card.kind.is_set_up(card.step) or not card.kind.splits


def _people(
    request: HttpRequest, flow: Flow, rows: list[Profile], *, now: datetime
) -> dict[str, Any]:
    """Return the people as the reader may see them. Unmasked views are logged."""
    masked = not access.membership(request).may(Role.MARKETER)
    if rows and not masked:
        group, name = flow.canvas.app_group, flow.canvas.name
        Activity.log_view(group, access.user(request), name, kind=Activity.Kind.PEOPLE, now=now)
    people = [masking.person(profile, masked=masked) for profile in rows]
    return {"people": people, "is_masked": masked}
