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
from audiencesync.people.segments.builder.numbers import AT_LAST, SOON
from canvases.prospects import Place
from canvases.views.stage.canvas_page import Flow
from canvases.views.stage.cards import Card


def context(request: HttpRequest, flow: Flow, card: Card, *, now: datetime) -> dict[str, Any]:
    """Return the numbers of the step, and the people behind the number ``people``.

    They are counted within two seconds; with ``wait``, within ten.
    """
    if unknown := _not_set_up(flow, card):
        return {"unknown": unknown}
    waited, asked = "wait" in request.GET, request.GET.get("people", "")
    try:
        with at_most(AT_LAST if waited else SOON):
            place = Place(flow.canvas, [one.step for one in flow.cards], card.step, now=now)
            found = {"place": place, "outlook": place.outlook(), "asked": asked}
            rows = place.first_people(asked) if asked else []
    except filters.FilterError:
        return {"unknown": card}
    except TooSlow:
        return {"is_counting": not waited, "is_too_slow": waited, "asked": asked}
    return found | _people(request, flow, rows, now=now)


def _not_set_up(flow: Flow, card: Card) -> Card | None:
    """Return the first card up to this one that divides people by nothing yet."""
    before = flow.cards[: card.number]
    return next((one for one in before if not _is_known(one)), None)


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
    people = [masking.person(one, masked=masked) for one in rows]
    return {"people": people, "is_masked": masked}
