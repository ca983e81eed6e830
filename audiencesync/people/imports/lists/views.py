"""Pages with the people and the rows behind the numbers of an import."""

from __future__ import annotations

from math import ceil

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audiencesync.core import lists
from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.core.web import sealed_search
from audiencesync.groups import access, exports, reauthentication
from audiencesync.groups.models import Activity, Role
from audiencesync.people import masking
from audiencesync.people.imports.lists import members, rejected
from audiencesync.people.models.imports import Import
from audiencesync.people.segments.forms import WholeSearch
from audiencesync.people.views import csv_export, profiles

PAGE = 50
SECONDS = 10.0
MARKETER = Role.MARKETER


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def people(request: HttpRequest, group: str, import_id: int) -> HttpResponse:
    """List the people behind one number of an import."""
    run = access.get(request, Import, MARKETER, pk=import_id)
    form = sealed_search.bind(WholeSearch, request)
    if request.method == "POST" and form.is_valid():
        return redirect(sealed_search.address(request, form.cleaned_data["q"]))
    number = _people(run, request.GET.get("number", members.PEOPLE))
    text = form.cleaned_data["q"] if form.is_valid() else ""
    profiles_found = (
        number.profiles.filter(profiles.whole_identifier_q(text, run.app_group))
        if text
        else number.profiles
    )
    is_slow, n_gone, page = False, None, lists.Page([])
    try:
        with at_most(SECONDS):
            if form.is_valid():
                page = lists.requested_page(
                    [lists.Rows(profiles_found, person="pk")], PAGE, request.GET
                )
            n_gone = number.n_gone()
    except TooSlow:
        is_slow = True
    if page.rows:
        _log(request, run)
    people_shown = [masking.person(person, masked=False) for person in page.rows]
    context = {
        "run": run,
        "number": number,
        "form": form,
        "gone": n_gone,
        "is_noted": number.name == members.PEOPLE or members.knows_created(run),
        "page": page,
        "people": people_shown,
        "has_names": any(person.name for person in people_shown),
        "is_search": bool(text),
        "is_slow": is_slow,
        "keep_days": ceil(settings.KEEP_DAYS["members"]),
    }
    status = 200 if form.is_valid() else 422
    return render(request, "people/imports/people.html", context, status=status)


@require_POST
@access.signed_in
def export(request: HttpRequest, group: str, import_id: int) -> HttpResponseBase:
    """Download the people behind one number of an import."""
    run = access.get(request, Import, MARKETER, pk=import_id)
    number = _people(run, request.POST.get("number", members.PEOPLE))
    reauthentication.require(request)
    return exports.csv_file(
        request,
        [run.app_group],
        csv_export.rows(number.profiles),
        name=f"import-{run.pk}-{number.name}",
        subject=run.file_name,
        kind=Activity.Kind.IMPORT,
    )


@require_safe
@access.signed_in
def rows(request: HttpRequest, group: str, import_id: int) -> HttpResponse:
    """List the rows behind one number of an import, in the order of the file."""
    run = access.get(request, Import, MARKETER, pk=import_id)
    try:
        number = rejected.rows(run, request.GET.get("number", rejected.REJECTED))
    except KeyError:
        raise Http404 from None
    page, is_slow = lists.Page([]), False
    try:
        page = lists.requested_page([number], PAGE, request.GET)
    except TooSlow:
        is_slow = True
    if page.rows:
        _log(request, run)
    context = {
        "run": run,
        "number": number,
        "page": page,
        "is_kept": run.rejects.exists(),
        "is_slow": is_slow,
        "keep_days": ceil(settings.KEEP_DAYS["rejects"]),
    }
    return render(request, "people/imports/rows.html", context)


def _people(run: Import, name: str) -> members.People:
    try:
        return members.people(run, name)
    except KeyError:
        raise Http404 from None


def _log(request: HttpRequest, run: Import) -> None:
    user, kind = access.user(request), Activity.Kind.IMPORT
    Activity.log_view(run.app_group, user, run.file_name[:200], kind=kind, now=timezone.now())
