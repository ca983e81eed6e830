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
from audiencesync.people.segments.builder.form import COMMON, SegmentForm, name_taken
from audiencesync.people.segments.builder.shown import shown
from audiencesync.people.segments.nodes import COLUMNS
from audiencesync.people.segments.uses import usage
from audiencesync.people.writing import event_names

PAGE = 25
MOST_EVENTS = 250  # names that are suggested
EFFECT_SECONDS = 1.0  # for what saving would do, in a preview


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
    """Create a segment from a name and conditions; the preview saves nothing.

    ``from``: the segment that a new page begins as a copy of.
    """
    app_group = access.group(request, Role.MARKETER)
    if drawn := _drawn(request, app_group, None):
        return drawn
    form = SegmentForm(request.POST or None, app_group=app_group)
    if request.method != "POST" or not form.is_valid() or "save" not in request.POST:
        return _form_page(request, app_group, _copied(request, app_group) or form)
    try:
        asked = {name: form.cleaned_data[name] for name in ("name", "description", "chosen")}
        segment = domain.create(app_group, **asked, by=access.user(request))
    except (domain.NameTaken, filters.FilterError) as error:
        return _with_mistake(request, app_group, form, error)
    messages.success(request, _("The segment “%(name)s” was created.") % {"name": segment.name})
    return redirect("segments", app_group.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def segment(request: HttpRequest, group: str, segment_id: int) -> HttpResponse:
    """Show one segment to all members; marketers change it."""
    role = Role.MARKETER if request.method == "POST" else Role.VIEWER
    row = access.get(request, Segment, role, pk=segment_id)
    row.app_group = app_group = access.group(request, role)
    if drawn := _drawn(request, app_group, row):
        return drawn
    form = SegmentForm(request.POST or None, app_group=app_group, segment=row)
    if request.method != "POST" or not form.is_valid() or "save" not in request.POST:
        return _form_page(request, app_group, form)
    data = form.cleaned_data
    asked = {name: data[name] for name in ("name", "description", "chosen", "version")}
    change = domain.change_to_confirm(row, data["chosen"], token=request.POST["save"])
    if change is not None:
        return _form_page(request, app_group, form, status=409, change=change)
    try:
        domain.save(row, **asked, by=access.user(request), now=timezone.now())
    except (domain.NameTaken, filters.FilterError) as error:
        return _with_mistake(request, app_group, form, error)
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
    row = access.get(request, Segment, Role.MARKETER, pk=segment_id)
    row.app_group = app_group = access.group(request, Role.MARKETER)
    return _preview(request, app_group, SegmentForm(request.POST, app_group=app_group, segment=row))


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def remove(request: HttpRequest, group: str, segment_id: int) -> HttpResponse:
    """Ask for confirmation, then delete a segment that is not in use."""
    row = access.get(request, Segment, Role.MARKETER, pk=segment_id)
    if request.method != "POST":
        template = "people/segment_remove.html"
        is_part = htmx.asks(request)
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


def _drawn(request: HttpRequest, app_group: AppGroup, row: Segment | None) -> HttpResponse | None:
    """Return the page after a button that adds, copies or removes; None for every other request.

    What is typed stays as it is, and is not checked.
    """
    is_act = not draft.ACTS.keys().isdisjoint(request.POST)
    if "save" in request.POST or not (is_act or "draw" in request.POST):
        return None
    sent = {name: str(value) for name, value in request.POST.items()}
    root = draft.from_data(sent)
    focus = draft.act(root, sent)
    typed = {name: sent[name] for name in COMMON if name in sent}
    form = SegmentForm(app_group=app_group, segment=row, typed=typed, root=root)
    if focus in form.fields:
        form.fields[focus].widget.attrs |= {"autofocus": "", "data-focus": ""}
    if htmx.asks(request):
        return render(request, "people/segment.html#conditions", _context(request, app_group, form))
    return _form_page(request, app_group, form)


def _copied(request: HttpRequest, app_group: AppGroup) -> SegmentForm | None:
    """Return the form with the conditions of another segment; None if no copy is asked for."""
    asked = sent_numbers.whole(request.GET.get("from"))
    if request.method == "POST" or asked is None:
        return None
    row = Segment.objects.filter(app_group=app_group, pk=asked).first()
    root = shown(row.filter) if row else None
    if row is None or root is None:
        return None
    name = _("Copy of %(name)s") % {"name": row.name}
    typed = {"name": name[:80], "description": row.description, "version": "0"}
    return SegmentForm(app_group=app_group, typed=typed, root=root)


def _with_mistake(
    request: HttpRequest, app_group: AppGroup, form: SegmentForm, error: Exception
) -> HttpResponse:
    """Show the form again after the database found a mistake."""
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
    row = form.segment
    slug = app_group.slug
    return {
        "form": form,
        "segment": row,
        "version": str(form["version"].value()),
        "builder_url": reverse("segment", args=[slug, row.pk])
        if row
        else reverse("segment_new", args=[slug]),
        "preview_url": reverse("segment_preview", args=[slug, row.pk])
        if row
        else reverse("segment_new_preview", args=[slug]),
        "tick": str(time.time_ns()),  # new ids: htmx loads the numbers again for new elements
    }


def _preview(request: HttpRequest, app_group: AppGroup, form: SegmentForm) -> HttpResponse:
    """Return the numbers, to be put in their places; controls stay as they are."""
    form.is_valid()
    context = _context(request, app_group, form) | _numbers(request, app_group, form)
    return render(request, "people/_segment_numbers.html", context | {"is_preview": True})


def _numbers(request: HttpRequest, app_group: AppGroup, form: SegmentForm) -> dict[str, Any]:
    """Return as context what the conditions find, and the conditions in words."""
    chosen = form.segment.filter if form.segment else None
    if form.is_bound:
        chosen = form.found
    elif form.is_drawn:
        chosen = None
    waited = "wait" in request.POST
    counted = numbers.count(
        app_group,
        chosen,
        form.parts,
        seconds=numbers.AT_LAST if waited else numbers.SOON,
        after=sent_numbers.whole(request.POST.get("others")) or 0,
    )
    form.counts, form.reasons = counted.by_place, counted.reasons
    masked = not access.membership(request).may(Role.MARKETER)
    people = [masking.person(profile, masked=masked) for profile in counted.sample]
    if people and not masked:
        Activity.log_view(
            app_group,
            access.user(request),
            _("Profiles"),
            kind=Activity.Kind.PEOPLE,
            now=timezone.now(),
        )
    return {
        "numbers": counted,
        "coverage": counted.coverage,
        "is_counting": counted.is_too_slow and not waited,
        "is_too_slow": counted.is_too_slow,
        "shown": str(request.POST.get("shown", ""))[:20],
        "people": people,
        "last": counted.sample[-1].pk if counted.sample else 0,
        "words": "" if chosen is None else _words(chosen, masked=masked),
    } | _effect(form.segment, chosen)


def _effect(row: Segment | None, chosen: Any) -> dict[str, Any]:
    """Return as context what uses a segment, and what saving it would do to live canvases."""
    uses = usage.of(row) if row else []
    n_live = sum(use.is_live for use in uses)
    is_changed = row is not None and chosen is not None and chosen != row.filter
    effect = None
    if row is not None and n_live and is_changed:
        with suppress(filters.FilterError):
            effect = live.difference(row, chosen, seconds=EFFECT_SECONDS)
    return {"uses": uses, "n_live": n_live, "effect": effect}


def _conflict(request: HttpRequest, app_group: AppGroup, form: SegmentForm) -> HttpResponse:
    """Show both versions after a concurrent change; saving again is a decision."""
    now = access.get(request, Segment, Role.MARKETER, pk=form.segment.pk if form.segment else 0)
    theirs = {"name": now.name, "words": _words(now.filter)}
    mine = {"name": form.cleaned_data["name"], "words": _words(form.cleaned_data["chosen"])}
    return _form_page(
        request, app_group, form, status=409, version=str(now.version), theirs=theirs, mine=mine
    )


def _words(
    raw: Any, *, masked: bool = False, known: Mapping[str, filters.Known] | None = None
) -> str:
    """Return a filter in words; viewers do not see the addresses and ids in it."""
    try:
        return capfirst(filters.describe(raw, masked=masked, known=known))
    except filters.FilterError:
        return _("This filter cannot be read.")
