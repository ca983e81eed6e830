"""The people behind the numbers of a step or canvas, in pages and as a CSV file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from audiencesync.core import lists
from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.core.web import sealed_search
from audiencesync.groups import access, exports, reauthentication
from audiencesync.groups.models import Activity, Role
from audiencesync.people import masking
from audiencesync.people.segments.forms import WholeSearch
from canvases.models import Canvas, Step
from canvases.people_lists import lines, links, numbers, search
from canvases.people_lists import retry as retry_people
from canvases.people_lists.number import Number, UnknownNumber
from canvases.steps import KINDS

PAGE = 50
SECONDS = 10.0
ID = re.compile(r"[0-9]{1,18}", re.ASCII)
REASON = re.compile(r"[A-Za-z0-9_.-]{0,40}", re.ASCII)
FIRST = "entered"  # the number of an address that names none


@dataclass(frozen=True, slots=True)
class Owner:
    """The canvas, or its step, that has the number."""

    canvas: Canvas
    step: Step | None = None

    def number(self, data: QueryDict, *, is_counted: bool = True) -> Number:
        """Return the number asked for. Raise Http404 for one that does not exist."""
        name, reason = data.get("number", FIRST), data.get("reason")
        if reason is not None and not REASON.fullmatch(reason):
            raise Http404
        try:
            if self.step is not None:
                return numbers.of_step(self.step, name, reason, is_counted=is_counted)
            return numbers.of_canvas(self.canvas, name, is_counted=is_counted)
        except UnknownNumber:
            raise Http404 from None

    def may_retry(self, number: Number) -> bool:
        """Return whether the people of the number can be tried again."""
        is_kept = self.step is not None and not self.step.removed_at
        return is_kept and number.is_errored and not self.canvas.is_archived


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def of_step(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """List the people behind a number of a step."""
    step = access.get(request, Step, pk=step_id, canvas=canvas_id)
    return _answer(request, Owner(step.canvas, step))


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def of_canvas(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """List the people behind a number of a canvas."""
    return _answer(request, Owner(access.get(request, Canvas, pk=canvas_id)))


def _answer(request: HttpRequest, owner: Owner) -> HttpResponse:
    """Show one page. Unmasked views are logged."""
    masked = not access.membership(request).may(Role.MARKETER)
    form = sealed_search.bound(WholeSearch, request)
    if request.method == "POST" and form.is_valid():
        return redirect(sealed_search.address(request, form.cleaned_data["q"]))
    number, page, is_slow = _read(owner, request.GET or request.POST, form)
    found = lines.of(owner.canvas, owner.step, page.rows)
    persons = [
        (line, masking.person(line.profile, masked=masked) if line.profile else None)
        for line in found
    ]
    if not masked and any(person for _line, person in persons):
        _log(request, owner.canvas)
    context = {
        "step": owner.step,
        "canvas": owner.canvas,
        "summary": KINDS[owner.step.kind].line(owner.step) if owner.step else "",
        "number": number,
        "form": form,
        "is_search": bool(form.cleaned_data.get("q")),
        "page": page,
        "people": persons,
        "columns": _columns(number, found, persons),
        "is_masked": masked,
        "is_slow": is_slow,
        "may_edit": not masked,
        "is_no_retry": owner.canvas.is_archived and number.is_errored,
        "may_retry": not masked and owner.may_retry(number),
    }
    status = 200 if form.is_valid() else 422
    return render(request, "canvases/people_list.html", context, status=status)


def _columns(
    number: Number, found: list[lines.Line], persons: list[tuple[lines.Line, masking.Person | None]]
) -> dict[str, bool]:
    """Return which columns have anything to show."""
    return {
        "name": any(person.name for _line, person in persons if person),
        "entered": any(line.entered_at for line in found),
        "at": any(line.at for line in found),
        "outcome": len({line.outcome for line in found}) > 1,
        "reason": number.why is None and any(line.reason for line in found),
        "request": any(line.request_id or line.code for line in found),
    }


def _read(owner: Owner, data: QueryDict, form: WholeSearch) -> tuple[Number, lists.Page, bool]:
    """Return the number, its page, and whether reading took too long. Raise Http404."""
    is_valid = form.is_valid()
    try:
        with at_most(SECONDS):
            number = owner.number(data)
            if not is_valid:
                return number, lists.Page([]), False
            if text := form.cleaned_data["q"]:
                number = search.only(owner.canvas, number, text)
            return number, lists.asked(number.parts, PAGE, data), False
    except TooSlow:
        return owner.number(data, is_counted=False), lists.Page([]), True


@require_POST
@access.signed_in
def export_step(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponseBase:
    """Download the people behind a number of a step."""
    step = access.get(request, Step, Role.MARKETER, pk=step_id, canvas=canvas_id)
    return _export(request, Owner(step.canvas, step))


@require_POST
@access.signed_in
def export_canvas(request: HttpRequest, group: str, canvas_id: int) -> HttpResponseBase:
    """Download the people behind a number of a canvas."""
    return _export(request, Owner(access.get(request, Canvas, Role.MARKETER, pk=canvas_id)))


@require_POST
@access.signed_in
def retry(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """Try errored people again: those that were ticked, or all of the number."""
    step = access.get(request, Step, Role.MARKETER, pk=step_id, canvas=canvas_id)
    asked = request.POST.copy()
    asked.setdefault("number", "errored")
    number = Owner(step.canvas, step).number(asked, is_counted=False)
    if step.canvas.is_archived:
        messages.warning(request, retry_people.ARCHIVED)
        return _after_retry(request, step, number)
    if not Owner(step.canvas, step).may_retry(number):
        raise Http404
    ticked = [int(pk) for pk in request.POST.getlist("delivery")[:PAGE] if ID.fullmatch(pk)]
    is_some = "some" in request.POST
    n = retry_people.behind(step, number, only=ticked if is_some else None, now=timezone.now())
    if n:
        who, kind = access.user(request), Activity.Kind.CANVAS
        verb = Activity.Verb.RETRIED
        Activity.log(step.canvas.app_group, who, verb, step.canvas.name, kind=kind)
        messages.success(request, _retried(n))
    else:
        none = _("Tick the people to try again first.") if is_some and not ticked else ""
        messages.warning(request, none or _("There is no one to try again."))
    return _after_retry(request, step, number)


def _after_retry(request: HttpRequest, step: Step, number: Number) -> HttpResponse:
    if request.POST.get("back") == "numbers":
        return redirect("step_numbers", step.canvas.app_group.slug, step.canvas_id, step.pk)
    return redirect(links.step_people(step, number.name, number.part))


def _retried(n: int) -> str:
    text = ngettext("%(n)s person is tried again.", "%(n)s people are tried again.", n)
    return text % {"n": number_format(n)}


def _export(request: HttpRequest, owner: Owner) -> HttpResponseBase:
    """Answer with the file. The download is logged."""
    number = owner.number(request.POST, is_counted=False)
    reauthentication.require(request)
    place = owner.step.pk if owner.step else owner.canvas.pk
    return exports.csv_file(
        request,
        [owner.canvas.app_group],
        lines.csv_rows(owner.canvas, owner.step, number),
        name=f"{number.name}-{place}",
        subject=owner.canvas.name,
        kind=Activity.Kind.PEOPLE,
    )


def _log(request: HttpRequest, canvas: Canvas) -> None:
    who, kind = access.user(request), Activity.Kind.PEOPLE
    Activity.log_view(canvas.app_group, who, canvas.name, kind=kind, now=timezone.now())
