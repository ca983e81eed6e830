"""The people behind the numbers of a step, in pages and as a CSV file."""

from __future__ import annotations

import re
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.http import require_POST, require_safe

from audiencesync.core import csv_files, lists
from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.core.lists import Place
from audiencesync.groups import access, reauthentication
from audiencesync.groups.models import Activity, Role
from audiencesync.people import masking
from canvases.models import Canvas, Step
from canvases.people_lists import lines, numbers
from canvases.people_lists.numbers import Number
from canvases.steps import KINDS

PAGE = 50
SECONDS = 10.0
REASON = re.compile(r"[A-Za-z0-9_.-]{0,40}", re.ASCII)


@require_safe
@access.signed_in
def of_step(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """List the people behind a number of a step. Unmasked views are logged."""
    step = access.get(request, Step, pk=step_id, canvas=canvas_id)
    masked = not access.membership(request).may(Role.MARKETER)
    number, page, is_slow = _read(step, request.GET)
    found = lines.of_step(step, page.rows)
    persons = [
        (line, masking.person(line.profile, masked=masked) if line.profile else None)
        for line in found
    ]
    if not masked and any(person for _line, person in persons):
        _log(request, step.canvas)
    context = {
        "step": step,
        "canvas": step.canvas,
        "summary": KINDS[step.kind].line(step),
        "number": number,
        "page": page,
        "people": persons,
        "has_names": any(person.name for _line, person in persons if person),
        "has_times": any(line.at for line in found),
        "has_reasons": any(line.reason for line in found) and number.why is None,
        "has_requests": any(line.request_id or line.code for line in found),
        "is_masked": masked,
        "is_slow": is_slow,
        "may_edit": not masked,
    }
    return render(request, "canvases/people_list.html", context)


def _read(step: Step, data: QueryDict) -> tuple[Number, lists.Page, bool]:
    """Return the number, its page, and whether reading took too long. Raise Http404."""
    try:
        with at_most(SECONDS):
            number = _number(step, data)
            return number, _page(number, data), False
    except TooSlow:
        return _number(step, data, is_counted=False), lists.Page([]), True


def _page(number: Number, data: QueryDict) -> lists.Page:
    """Return the page asked for; the first one if its place is invalid."""
    before, after = (Place.parse(data.get(name, "")) for name in ("before", "after"))
    try:
        return lists.page(number.parts, PAGE, before=before, after=after, is_last="last" in data)
    except ValueError:
        return lists.page(number.parts, PAGE)


def _number(step: Step, data: QueryDict, *, is_counted: bool = True) -> Number:
    """Return the number asked for. Raise Http404 for one that does not exist."""
    reason = data.get("reason")
    if reason is not None and not REASON.fullmatch(reason):
        raise Http404
    try:
        return numbers.of_step(step, data.get("number", "waiting"), reason, is_counted=is_counted)
    except numbers.UnknownNumber:
        raise Http404 from None


@require_POST
@access.signed_in
def export(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponseBase:
    """Download them. The download is logged."""
    step = access.get(request, Step, Role.MARKETER, pk=step_id, canvas=canvas_id)
    number = _number(step, request.POST, is_counted=False)
    reauthentication.require(request)
    Activity.log(
        step.canvas.app_group,
        access.user(request),
        Activity.Verb.EXPORTED,
        step.canvas.name,
        kind=Activity.Kind.PEOPLE,
    )
    name = f"{number.name}-{step.pk}-{timezone.now():%Y%m%d-%H%M}.csv"
    return csv_files.download(_csv(step, number, translation.get_language() or "en"), name)


def _csv(step: Step, number: Number, language: str) -> Any:
    """Yield the file in the language of the request, which is reset before it is sent."""
    parts = csv_files.lines(lines.csv_rows(step, number))
    while True:
        with translation.override(language):
            part = next(parts, None)
        if part is None:
            return
        yield part


def _log(request: HttpRequest, canvas: Canvas) -> None:
    Activity.log_view(
        canvas.app_group,
        access.user(request),
        canvas.name,
        kind=Activity.Kind.PEOPLE,
        now=timezone.now(),
    )
