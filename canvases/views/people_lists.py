"""The people behind the numbers of a step or canvas, in pages and as a CSV file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from audiencesync.groups import access
from audiencesync.groups.models import AppGroup, Role
from canvases.models import Canvas, Step
from canvases.people_lists import components, lines, links, numbers, page
from canvases.people_lists import retry as retry_people
from canvases.people_lists.number import Number, UnknownNumber
from canvases.steps import KINDS

ID_PATTERN = re.compile(r"[0-9]{1,18}", re.ASCII)
REASON_PATTERN = re.compile(r"[A-Za-z0-9_.-]{0,40}", re.ASCII)
DEFAULT_NUMBER = "entered"  # for an address without ?number=


@dataclass(frozen=True, slots=True)
class Place:
    """A canvas, or one of its steps, as the place of a number (page.Place)."""

    canvas: Canvas
    step: Step | None = None
    template: ClassVar[str] = "canvases/people_list.html"

    @property
    def app_group(self) -> AppGroup:
        """Return the group of the canvas."""
        return self.canvas.app_group

    @property
    def name(self) -> str:
        """Return the name of the canvas, for the activity log, even for a number of a step."""
        return self.canvas.name

    @property
    def key(self) -> int:
        """Return the id of the step, or else of the canvas, for the name of the file."""
        return self.step.pk if self.step else self.canvas.pk

    def lines(self, rows: Sequence[lines.Row]) -> list[lines.Line]:
        """Return a line per row."""
        return lines.of(self.canvas, self.step, rows)

    def context(self, number: Number) -> dict[str, Any]:
        """Return what only the page of a step or canvas shows."""
        return {
            "step": self.step,
            "canvas": self.canvas,
            "summary": KINDS[self.step.kind].line(self.step) if self.step else "",
            "components": [] if self.step else components.of(self.canvas, number.name),
            # The page then says that the canvas is in the archive.
            "is_retry_blocked": self.canvas.is_archived and number.is_errored,
            "is_retryable": self.may_retry(number),
        }

    def number(self, data: QueryDict, *, is_counted: bool = True) -> Number:
        """Return the number in the query. Raise Http404 for one that does not exist.

        Without ``is_counted``, nothing that takes long is counted: its ``n`` may be None.
        """
        name, reason = data.get("number", DEFAULT_NUMBER), data.get("reason")
        if reason is not None and not REASON_PATTERN.fullmatch(reason):
            raise Http404
        try:
            if self.step is not None:
                return numbers.of_step(self.step, name, reason, is_counted=is_counted)
            return numbers.of_canvas(self.canvas, name, is_counted=is_counted)
        except UnknownNumber:
            raise Http404 from None

    def may_retry(self, number: Number) -> bool:
        """Return whether the people of the number can be retried."""
        is_present_step = self.step is not None and not self.step.removed_at
        return is_present_step and number.is_errored and not self.canvas.is_archived


# POST is a search: its text must not stand in an address (sealed_search.py).
@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def of_step(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """List the people behind a number of a step."""
    step = access.get(request, Step, pk=step_id, canvas=canvas_id)
    return page.answer(request, Place(step.canvas, step))


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def of_canvas(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """List the people behind a number of a canvas."""
    return page.answer(request, Place(access.get(request, Canvas, pk=canvas_id)))


@require_POST
@access.signed_in
def export_step(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponseBase:
    """Download the people behind a number of a step."""
    step = access.get(request, Step, Role.MARKETER, pk=step_id, canvas=canvas_id)
    return page.export(request, Place(step.canvas, step))


@require_POST
@access.signed_in
def export_canvas(request: HttpRequest, group: str, canvas_id: int) -> HttpResponseBase:
    """Download the people behind a number of a canvas."""
    return page.export(request, Place(access.get(request, Canvas, Role.MARKETER, pk=canvas_id)))


@require_POST
@access.signed_in
def retry(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """Try errored people again: those that were ticked, or all of the number."""
    step = access.get(request, Step, Role.MARKETER, pk=step_id, canvas=canvas_id)
    params = request.POST.copy()
    params.setdefault("number", "errored")
    number = Place(step.canvas, step).number(params, is_counted=False)
    if step.canvas.is_archived:
        messages.warning(request, retry_people.ARCHIVED)
        return _after_retry(request, step, number)
    if not Place(step.canvas, step).may_retry(number):
        raise Http404
    ticked = [
        int(pk) for pk in request.POST.getlist("delivery")[: page.PAGE] if ID_PATTERN.fullmatch(pk)
    ]
    is_only_ticked = "some" in request.POST
    n = retry_people.retry_number(
        step, number, only=ticked if is_only_ticked else None, now=timezone.now()
    )
    if n:
        retry_people.log(step, n, by=access.user(request))
        messages.success(request, _retried_text(n))
    elif is_only_ticked and not ticked:
        messages.warning(request, _("Tick the people to retry first."))
    else:
        messages.warning(request, _("There is no one to retry."))
    return _after_retry(request, step, number)


def _after_retry(request: HttpRequest, step: Step, number: Number) -> HttpResponse:
    if request.POST.get("back") == "numbers":
        return redirect("step_numbers", step.canvas.app_group.slug, step.canvas_id, step.pk)
    return redirect(links.step_people(step, number.name, number.reason_param))


def _retried_text(n: int) -> str:
    template = ngettext("%(n)s person is retried.", "%(n)s people are retried.", n)
    return template % {"n": number_format(n)}
