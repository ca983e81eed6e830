"""One page of the people behind a number of a canvas, step or audience, and their CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from audiencesync.core import lists
from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.core.web import sealed_search
from audiencesync.groups import access, exports, reauthentication
from audiencesync.groups.models import Activity, AppGroup, Role
from audiencesync.people import masking
from audiencesync.people.segments.forms import WholeSearch
from canvases.people_lists import lines, search
from canvases.people_lists.number import Number

PAGE = 50
READ_SECONDS = 10.0


class Place(Protocol):
    """A canvas, step or audience whose numbers lead to lists of people."""

    template: ClassVar[str]

    @property
    def app_group(self) -> AppGroup:
        """Return its group."""

    @property
    def name(self) -> str:
        """Return its name, for the activity log."""

    @property
    def key(self) -> int:
        """Return its id, for the name of a file."""

    def number(self, data: QueryDict, *, is_counted: bool = True) -> Number:
        """Return the number in the query. Raise Http404 for one that does not exist.

        Without ``is_counted``, nothing that takes long is counted: its ``n`` may be None.
        """

    def lines(self, rows: Sequence[lines.Row]) -> list[lines.Line]:
        """Return a line per row."""

    def context(self, number: Number) -> dict[str, Any]:
        """Return what only the page of this place shows."""


def answer(request: HttpRequest, place: Place) -> HttpResponse:
    """Show one page. Unmasked views are logged."""
    masked = not access.membership(request).may(Role.MARKETER)
    form = sealed_search.bind(WholeSearch, request)
    if request.method == "POST" and form.is_valid():
        return redirect(sealed_search.address(request, form.cleaned_data["q"]))
    number, page, is_slow = _read(place, request.GET or request.POST, form)
    page_lines = place.lines(page.rows)
    persons = [
        (line, masking.person(line.profile, masked=masked) if line.profile else None)
        for line in page_lines
    ]
    if not masked and any(person for _line, person in persons):
        _log(request, place)
    place_context = place.context(number)
    context = place_context | {
        "number": number,
        "form": form,
        "is_search": bool(form.cleaned_data.get("q")),
        "page": page,
        "people": persons,
        "columns": _columns(number, page_lines, persons),
        "is_masked": masked,
        "is_slow": is_slow,
        "may_edit": not masked,
        "may_retry": not masked and place_context.get("is_retryable", False),
    }
    status = 200 if form.is_valid() else 422
    return render(request, place.template, context, status=status)


def _columns(
    number: Number,
    page_lines: list[lines.Line],
    persons: list[tuple[lines.Line, masking.Person | None]],
) -> dict[str, bool]:
    """Return which columns have anything to show."""
    return {
        "name": any(person.name for _line, person in persons if person),
        "entered": any(line.entered_at for line in page_lines),
        "at": any(line.at for line in page_lines),
        "outcome": len({line.outcome for line in page_lines}) > 1,
        "reason": number.why is None and any(line.reason for line in page_lines),
        "request": any(line.request_id or line.code for line in page_lines),
    }


def _read(place: Place, data: QueryDict, form: WholeSearch) -> tuple[Number, lists.Page, bool]:
    """Return the number, its page, and whether reading took too long. Raise Http404."""
    is_valid = form.is_valid()
    try:
        with at_most(READ_SECONDS):
            number = place.number(data)
        if not is_valid:
            return number, lists.Page([]), False
        # Set the limit again: if ``place.number`` set a limit of its own, it ended the first one.
        with at_most(READ_SECONDS):
            if text := form.cleaned_data["q"]:
                number = search.keep_matching(place.app_group, number, text)
            return number, lists.requested_page(number.parts, PAGE, data), False
    except TooSlow:
        return place.number(data, is_counted=False), lists.Page([]), True


def export(request: HttpRequest, place: Place) -> HttpResponseBase:
    """Answer with the file. The download is logged."""
    number = place.number(request.POST, is_counted=False)
    reauthentication.require(request)
    return exports.csv_file(
        request,
        [place.app_group],
        lines.csv_rows(number, place.lines),
        name=f"{number.name}-{place.key}",
        subject=place.name,
        kind=Activity.Kind.PEOPLE,
    )


def _log(request: HttpRequest, place: Place) -> None:
    who, kind = access.user(request), Activity.Kind.PEOPLE
    Activity.log_view(place.app_group, who, place.name, kind=kind, now=timezone.now())
