"""Pages of segments: a list with live counts, the builder with its preview, remove."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audiencesync.core import htmx
from audiencesync.core.web import sent_numbers
from audiencesync.groups import access
from audiencesync.groups.models import Activity, AppGroup, Role
from audiencesync.people import masking
from audiencesync.people.models import Segment
from audiencesync.people.segments import catalogue, filters, live
from audiencesync.people.segments import edit as domain
from audiencesync.people.segments.builder import draft, numbers
from audiencesync.people.segments.builder.form import COMMON_FIELDS, SegmentForm, name_taken
from audiencesync.people.segments.builder.shown import tree_or_none
from audiencesync.people.segments.nodes import COLUMNS
from audiencesync.people.segments.uses import usage
from audiencesync.people.writing import event_names

PAGE = 25
MOST_EVENTS = 250  # names that are suggested
EFFECT_SECONDS = 1.0  # time limit of the effect of saving, in a preview


@require_safe
@access.signed_in
def segments(request: HttpRequest, group: str) -> HttpResponse:
    """List the segments of the group with the current number of people in each."""
    segments = access.all_of(request, Segment).order_by("name", "pk")
    page = Paginator(segments, PAGE).get_page(request.GET.get("page"))
    counts = domain.counts(list(page))
    masked = not access.membership(request).may(Role.MARKETER)
    referenced = filters.load_segments(segment.filter for segment in page)
    rows = [
        {
            "segment": segment,
            "words": _words(segment.filter, masked=masked, segments=referenced),
            "n": counts[segment.pk],
        }
        for segment in page
    ]
    return render(request, "people/segments.html", {"rows": rows, "page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def new(request: HttpRequest, group: str) -> HttpResponse:
    """Create a segment from a name and conditions; the preview saves nothing.

    ``from`` in the query string: the segment to begin with a copy of.
    """
    app_group = access.group(request, Role.MARKETER)
    if redrawn := _redrawn_page(request, app_group, None):
        return redrawn
    form = SegmentForm(request.POST or None, app_group=app_group)
    if request.method != "POST" or not form.is_valid() or "save" not in request.POST:
        return _form_page(request, app_group, _copy_form(request, app_group) or form)
    try:
        values = {name: form.cleaned_data[name] for name in ("name", "description", "raw_filter")}
        segment = domain.create(app_group, **values, by=access.user(request))
    except (domain.NameTaken, filters.FilterError) as error:
        return _page_with_error(request, app_group, form, error)
    messages.success(request, _("The segment “%(name)s” was created.") % {"name": segment.name})
    return redirect("segments", app_group.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def segment(request: HttpRequest, group: str, segment_id: int) -> HttpResponse:
    """Show one segment to all members; marketers change it."""
    role = Role.MARKETER if request.method == "POST" else Role.VIEWER
    segment = access.get(request, Segment, role, pk=segment_id)
    segment.app_group = app_group = access.group(request, role)
    if redrawn := _redrawn_page(request, app_group, segment):
        return redrawn
    form = SegmentForm(request.POST or None, app_group=app_group, segment=segment)
    if request.method != "POST" or not form.is_valid() or "save" not in request.POST:
        return _form_page(request, app_group, form)
    data = form.cleaned_data
    values = {name: data[name] for name in ("name", "description", "raw_filter", "version")}
    change = domain.change_to_confirm(segment, data["raw_filter"], token=request.POST["save"])
    if change is not None:
        return _form_page(request, app_group, form, status=409, change=change)
    try:
        domain.save(segment, **values, by=access.user(request), now=timezone.now())
    except (domain.NameTaken, filters.FilterError) as error:
        return _page_with_error(request, app_group, form, error)
    except domain.Stale:
        return _conflict(request, app_group, form)
    messages.success(request, _("The segment “%(name)s” was saved.") % {"name": data["name"]})
    return redirect("segments", app_group.slug)


@require_POST  # a filter can be longer than an address; nothing is changed
@access.signed_in
def preview_new(request: HttpRequest, group: str) -> HttpResponse:
    """Return the numbers of a new segment as it is typed."""
    app_group = access.group(request, Role.MARKETER)
    return _preview(request, app_group, SegmentForm(request.POST, app_group=app_group))


@require_POST  # as above
@access.signed_in
def preview(request: HttpRequest, group: str, segment_id: int) -> HttpResponse:
    """Return the numbers of a segment as it is typed."""
    segment = access.get(request, Segment, Role.MARKETER, pk=segment_id)
    segment.app_group = app_group = access.group(request, Role.MARKETER)
    return _preview(
        request, app_group, SegmentForm(request.POST, app_group=app_group, segment=segment)
    )


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def remove(request: HttpRequest, group: str, segment_id: int) -> HttpResponse:
    """Ask for confirmation, then delete a segment that is not in use."""
    segment = access.get(request, Segment, Role.MARKETER, pk=segment_id)
    if request.method != "POST":
        template = "people/segment_remove.html"
        is_part = htmx.asks(request)
        n = domain.counts([segment])[segment.pk]
        return render(
            request,
            f"{template}#question" if is_part else template,
            {"segment": segment, "n": n or 0},
        )
    try:
        domain.remove(segment, by=access.user(request))
    except domain.InUse as in_use:
        params = {
            "name": segment.name,
            "users": ", ".join(_("“%(text)s”") % {"text": user} for user in in_use.users[:5]),
        }
        messages.error(
            request, _("“%(name)s” cannot be removed, because it is used by %(users)s.") % params
        )
        return redirect("segment", group, segment.pk)
    messages.success(request, _("The segment “%(name)s” was removed.") % {"name": segment.name})
    return redirect("segments", group)


def _redrawn_page(
    request: HttpRequest, app_group: AppGroup, segment: Segment | None
) -> HttpResponse | None:
    """Return the page after a button that adds, copies or removes; None for every other request.

    What is typed stays as it is, and is not checked.
    """
    is_action = not draft.ACTIONS.keys().isdisjoint(request.POST)
    if "save" in request.POST or not (is_action or "draw" in request.POST):
        return None
    params = {name: str(value) for name, value in request.POST.items()}
    root = draft.from_data(params)
    focus = draft.apply_action(root, params)
    typed = {name: params[name] for name in COMMON_FIELDS if name in params}
    form = SegmentForm(app_group=app_group, segment=segment, typed=typed, root=root)
    if focus in form.fields:
        form.fields[focus].widget.attrs |= {"autofocus": "", "data-focus": ""}
    if htmx.asks(request):
        return render(request, "people/segment.html#conditions", _context(request, app_group, form))
    return _form_page(request, app_group, form)


def _copy_form(request: HttpRequest, app_group: AppGroup) -> SegmentForm | None:
    """Return the form with the conditions of another segment; None if no copy is asked for."""
    segment_id = sent_numbers.whole(request.GET.get("from"))
    if request.method == "POST" or segment_id is None:
        return None
    segment = Segment.objects.filter(app_group=app_group, pk=segment_id).first()
    root = tree_or_none(segment.filter) if segment else None
    if segment is None or root is None:
        return None
    name = _("Copy of %(name)s") % {"name": segment.name}
    typed = {"name": name[:80], "description": segment.description, "version": "0"}
    return SegmentForm(app_group=app_group, typed=typed, root=root)


def _page_with_error(
    request: HttpRequest, app_group: AppGroup, form: SegmentForm, error: Exception
) -> HttpResponse:
    """Show the form again with an error that was found while saving."""
    if isinstance(error, filters.FilterError):
        form.report(error)
    else:
        form.add_error("name", name_taken())
    return _form_page(request, app_group, form)


def _form_page(
    request: HttpRequest, app_group: AppGroup, form: SegmentForm, *, status: int = 200, **extra: Any
) -> HttpResponse:
    """Render the form with the number of people it finds now; 422 if the form has mistakes."""
    context = _context(request, app_group, form) | {
        "attributes": catalogue.suggestions(app_group),
        "events": event_names.page(app_group, start=0, n=MOST_EVENTS),
        "columns": COLUMNS,
    }
    context |= _numbers(request, app_group, form) | extra
    return render(request, "people/segment.html", context, status=422 if form.errors else status)


def _context(request: HttpRequest, app_group: AppGroup, form: SegmentForm) -> dict[str, Any]:
    segment = form.segment
    slug = app_group.slug
    return {
        "form": form,
        "segment": segment,
        "version": str(form["version"].value()),
        "builder_url": reverse("segment", args=[slug, segment.pk])
        if segment
        else reverse("segment_new", args=[slug]),
        "preview_url": reverse("segment_preview", args=[slug, segment.pk])
        if segment
        else reverse("segment_new_preview", args=[slug]),
        "tick": str(time.time_ns()),  # new ids: htmx loads the numbers again for new elements
    }


def _preview(request: HttpRequest, app_group: AppGroup, form: SegmentForm) -> HttpResponse:
    """Return the numbers, to be put in their places; controls stay as they are."""
    form.is_valid()
    context = _context(request, app_group, form) | _numbers(request, app_group, form)
    return render(request, "people/_segment_numbers.html", context | {"is_preview": True})


def _numbers(request: HttpRequest, app_group: AppGroup, form: SegmentForm) -> dict[str, Any]:
    """Return the template context: the people that the conditions find, and these in words."""
    raw_filter = form.segment.filter if form.segment else None
    if form.is_bound:
        raw_filter = form.typed_filter
    elif form.is_drawn:
        raw_filter = None
    is_second_attempt = "wait" in request.POST
    counts = numbers.count(
        app_group,
        raw_filter,
        form.parts,
        seconds=numbers.MOST_SECONDS if is_second_attempt else numbers.FIRST_SECONDS,
        after=sent_numbers.whole(request.POST.get("others")) or 0,
    )
    form.counts, form.reasons = counts.by_place, counts.reasons
    masked = not access.membership(request).may(Role.MARKETER)
    people = [masking.person(profile, masked=masked) for profile in counts.sample]
    if people and not masked:
        Activity.log_view(
            app_group,
            access.user(request),
            _("Profiles"),
            kind=Activity.Kind.PEOPLE,
            now=timezone.now(),
        )
    return {
        "numbers": counts,
        "coverage": counts.coverage,
        "is_counting": counts.is_too_slow and not is_second_attempt,
        "is_too_slow": counts.is_too_slow,
        # the number on the page, which stays until the new one is counted
        "shown": str(request.POST.get("shown", ""))[:20],
        "people": people,
        "last": counts.sample[-1].pk if counts.sample else 0,
        "words": "" if raw_filter is None else _words(raw_filter, masked=masked),
    } | _edit_effect(form.segment, raw_filter)


def _edit_effect(segment: Segment | None, raw_filter: Any) -> dict[str, Any]:
    """Return the template context: what uses a segment, and the effect of saving it on canvases."""
    uses = usage.of(segment) if segment else []
    n_live = sum(use.is_live for use in uses)
    is_changed = segment is not None and raw_filter is not None and raw_filter != segment.filter
    effect = None
    if segment is not None and n_live and is_changed:
        with suppress(filters.FilterError):
            effect = live.difference(segment, raw_filter, seconds=EFFECT_SECONDS)
    return {"uses": uses, "n_live": n_live, "effect": effect}


def _conflict(request: HttpRequest, app_group: AppGroup, form: SegmentForm) -> HttpResponse:
    """Show the stored and the submitted version; saving again overwrites the stored one."""
    stored = access.get(request, Segment, Role.MARKETER, pk=form.segment.pk if form.segment else 0)
    theirs = {"name": stored.name, "words": _words(stored.filter)}
    mine = {"name": form.cleaned_data["name"], "words": _words(form.cleaned_data["raw_filter"])}
    return _form_page(
        request, app_group, form, status=409, version=str(stored.version), theirs=theirs, mine=mine
    )


def _words(
    raw: Any,
    *,
    masked: bool = False,
    segments: Mapping[str, filters.ReferencedSegment] | None = None,
) -> str:
    """Return a filter in words; viewers do not see the addresses and ids in it."""
    try:
        return capfirst(filters.describe(raw, masked=masked, segments=segments))
    except filters.FilterError:
        return _("This filter cannot be read.")
