"""Pages of segments: a list with live counts, create, change with a preview, remove."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.groups import access
from audiencesync.groups.models import AppGroup, Role
from audiencesync.people.models import Profile, Segment
from audiencesync.people.segments import edit as domain
from audiencesync.people.segments import filters
from audiencesync.people.segments.coverage import coverage
from audiencesync.people.segments.forms import SegmentForm, field_choices, name_taken

PAGE = 25
COVERAGE_SECONDS = 10.0  # a slower count is left out, so that it does not hold a process


@require_safe
@access.signed_in
def segments(request: HttpRequest, group: str) -> HttpResponse:
    """List the segments of the group with the current number of people in each."""
    mine = access.all_of(request, Segment).order_by("name", "pk")
    page = Paginator(mine, PAGE).get_page(request.GET.get("page"))
    counts = domain.counts(list(page))
    masked = not access.membership(request).may(Role.MARKETER)
    known = filters.known_to(one.filter for one in page)
    rows = [
        {
            "segment": one,
            "words": _words(one.filter, masked=masked, known=known),
            "n": counts[one.pk],
        }
        for one in page
    ]
    return render(request, "people/segments.html", {"rows": rows, "page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def new(request: HttpRequest, group: str) -> HttpResponse:
    """Create a segment from a name and conditions; the preview saves nothing."""
    app_group = access.group(request, Role.MARKETER)
    form = SegmentForm(request.POST or None, app_group=app_group)
    if request.method != "POST" or not form.is_valid() or "save" not in request.POST:
        return _form_page(request, app_group, form)
    try:
        asked = {name: form.cleaned_data[name] for name in ("name", "description", "chosen")}
        segment = domain.create(app_group, **asked, by=access.user(request))
    except domain.NameTaken:
        form.add_error("name", name_taken())
        return _form_page(request, app_group, form)
    except filters.FilterError as error:
        form.add_error(None, str(error))
        return _form_page(request, app_group, form)
    messages.success(request, _("The segment “%(name)s” was created.") % {"name": segment.name})
    return redirect("segments", app_group.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def segment(request: HttpRequest, group: str, segment_id: int) -> HttpResponse:
    """Show one segment to all members; marketers change it."""
    role = Role.MARKETER if request.method == "POST" else Role.VIEWER
    row = access.get(request, Segment, role, pk=segment_id)
    row.app_group = app_group = access.group(request, role)
    form = SegmentForm(request.POST or None, app_group=app_group, segment=row)
    if request.method != "POST" or not form.is_valid() or "save" not in request.POST:
        return _form_page(request, app_group, form)
    data = form.cleaned_data
    asked = {name: data[name] for name in ("name", "description", "chosen", "version")}
    try:
        domain.save(row, **asked, by=access.user(request), now=timezone.now())
    except domain.NameTaken:
        form.add_error("name", name_taken())
        return _form_page(request, app_group, form)
    except filters.FilterError as error:
        form.add_error(None, str(error))
        return _form_page(request, app_group, form)
    except domain.Stale:
        return _conflict(request, app_group, form)
    messages.success(request, _("The segment “%(name)s” was saved.") % {"name": data["name"]})
    return redirect("segments", app_group.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def remove(request: HttpRequest, group: str, segment_id: int) -> HttpResponse:
    """Ask for confirmation, then delete a segment that is not in use."""
    row = access.get(request, Segment, Role.MARKETER, pk=segment_id)
    if request.method != "POST":
        template = "people/segment_remove.html"
        is_part = bool(getattr(request, "htmx", False))
        n = domain.counts([row])[row.pk]
        return render(
            request, f"{template}#question" if is_part else template, {"segment": row, "n": n or 0}
        )
    try:
        domain.remove(row, by=access.user(request))
    except domain.InUse as used:
        words = {
            "name": row.name,
            "users": ", ".join(_("“%(text)s”") % {"text": user} for user in used.users[:5]),
        }
        messages.error(
            request, _("“%(name)s” cannot be removed, because it is used by %(users)s.") % words
        )
        return redirect("segment", group, row.pk)
    messages.success(request, _("The segment “%(name)s” was removed.") % {"name": row.name})
    return redirect("segments", group)


def _form_page(
    request: HttpRequest, app_group: AppGroup, form: SegmentForm, *, status: int = 200, **extra: Any
) -> HttpResponse:
    """Render the form with the number of people it finds now; 422 if the form has mistakes."""
    row = form.segment
    chosen = row.filter if row else None
    if form.is_bound:
        chosen = None if form.errors else form.cleaned_data["chosen"]
    context = {
        "form": form,
        "segment": row,
        "version": str(form["version"].value()),
        "fields": field_choices(app_group),
        "words": ""
        if chosen is None
        else _words(chosen, masked=not access.membership(request).may(Role.MARKETER)),
        **_coverage(app_group, chosen),
        **extra,
    }
    return render(request, "people/segment.html", context, status=422 if form.errors else status)


def _conflict(request: HttpRequest, app_group: AppGroup, form: SegmentForm) -> HttpResponse:
    """Show both versions after a concurrent change; saving again is a decision."""
    now = access.get(request, Segment, Role.MARKETER, pk=form.segment.pk if form.segment else 0)
    theirs = {"name": now.name, "words": _words(now.filter)}
    mine = {"name": form.cleaned_data["name"], "words": _words(form.cleaned_data["chosen"])}
    return _form_page(
        request, app_group, form, status=409, version=str(now.version), theirs=theirs, mine=mine
    )


def _coverage(app_group: AppGroup, chosen: Any) -> dict[str, Any]:
    """Return as context how many people a filter finds and how many are identifiable.

    Empty without a filter.
    """
    if chosen is None:
        return {}
    try:
        people = Profile.objects.filter(filters.parse(chosen), app_group=app_group)
        with at_most(COVERAGE_SECONDS):
            return {"coverage": coverage(people, is_strict=app_group.consent_required)}
    except filters.FilterError:
        return {}
    except TooSlow:
        return {"is_too_slow": True}


def _words(
    raw: Any, *, masked: bool = False, known: Mapping[str, filters.Known] | None = None
) -> str:
    """Return a filter in words; viewers do not see the addresses and ids in it."""
    try:
        return filters.describe(raw, masked=masked, known=known)
    except filters.FilterError:
        return _("This filter cannot be read.")
