"""The people of a step who are not synced for one reason, in pages and as a CSV file."""

from __future__ import annotations

import re
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audiencesync.core import csv_files
from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.groups import access, reauthentication
from audiencesync.groups.models import Activity, Role
from audiencesync.people.views import masking
from canvases import reasons
from canvases.models import Step
from canvases.steps import KINDS
from partners.behind import Page, Place, page
from partners.models import Outcome

PAGE = 50
SECONDS = 10.0
REASON = re.compile(r"[A-Za-z0-9_.-]{0,40}", re.ASCII)
PLACE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)


@require_safe
@access.signed_in
def people(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """List them. Unmasked views are logged."""
    step = access.get(request, Step, pk=step_id, canvas=canvas_id)
    asked = _asked(request.GET)
    masked = not access.membership(request).may(Role.MARKETER)
    is_slow = False
    try:
        with at_most(SECONDS):
            why, gone = reasons.counted(step, asked)
            found = page(reasons.people(step, asked), PAGE, **_place(request.GET))
    except TooSlow:
        why, gone, found, is_slow = reasons.why(step, asked), 0, Page([], None, None), True
    lines = reasons.lines(step, found.deliveries)
    persons = [
        (line, masking.person(line.profile, masked=masked) if line.profile else None)
        for line in lines
    ]
    if not masked and any(person for _line, person in persons):
        _log_view(request, step)
    context = {
        "step": step,
        "canvas": step.canvas,
        "summary": KINDS[step.kind].line(step),
        "why": why,
        "gone": gone,
        "page": found,
        "people": persons,
        "has_names": any(person.name for _line, person in persons if person),
        "has_times": any(line.at for line in lines),
        "is_masked": masked,
        "is_slow": is_slow,
        "may_edit": not masked,
    }
    return render(request, "canvases/step_people.html", context)


@require_POST
@access.signed_in
def export(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponseBase:
    """Download them. The download is logged."""
    step = access.get(request, Step, Role.MARKETER, pk=step_id, canvas=canvas_id)
    asked = _asked(request.POST)
    reauthentication.require(request)
    who = access.user(request)
    Activity.log(
        step.canvas.app_group,
        who,
        Activity.Verb.EXPORTED,
        step.canvas.name,
        kind=Activity.Kind.PEOPLE,
    )
    words = reasons.why(step, asked).text
    parts = csv_files.lines(reasons.csv_rows(step, reasons.people(step, asked), reason=words))
    return csv_files.download(parts, f"{asked.outcome}-{step.pk}-{timezone.now():%Y%m%d-%H%M}.csv")


def _log_view(request: HttpRequest, step: Step) -> None:
    group, name = step.canvas.app_group, step.canvas.name
    Activity.log_view(
        group, access.user(request), name, kind=Activity.Kind.PEOPLE, now=timezone.now()
    )


def _asked(data: QueryDict) -> reasons.Asked:
    """Return the number asked for. Raise Http404 for values that no delivery can have."""
    outcome, reason = data.get("outcome", Outcome.NOT_SYNCED), data.get("reason", "")
    if outcome not in reasons.OUTCOMES or not REASON.fullmatch(reason):
        raise Http404
    return reasons.Asked(Outcome(outcome), reason, is_removal=data.get("left") == "1")


def _place(data: QueryDict) -> dict[str, Any]:
    """Return the key from which the page starts; the first page if it is invalid."""
    found = {name: PLACE.fullmatch(data.get(name, "")) for name in ("before", "after")}
    return {name: Place(int(match[1]), int(match[2])) for name, match in found.items() if match}
