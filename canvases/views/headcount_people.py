"""The people behind the numbers in the head of a canvas that is kept up to date."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audiencesync.core import chunks
from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.groups import access
from audiencesync.groups.models import Activity, Role
from audiencesync.people import masking
from audiencesync.people.models import Profile
from canvases.entry_card import headcounts
from canvases.models import Canvas

PAGE, SECONDS, LONGEST_ID = 50, 10.0, 18


@require_safe
@access.signed_in
def people(request: HttpRequest, group: str, canvas_id: int, who: str) -> HttpResponse:
    """List them, newest first. Unmasked views are logged."""
    canvas = access.get(request, Canvas, pk=canvas_id)
    entry = headcounts.subscription(canvas)
    if who not in headcounts.LABELS:
        raise Http404
    masked = not access.membership(request).may(Role.MARKETER)
    found = headcounts.people(canvas, entry, who) if entry else Profile.objects.none()
    if entry and who == headcounts.UNSENT:
        found = headcounts.with_reason(found, entry)
    rows: chunks.Page[Profile] = chunks.Page([], has_older=False, has_newer=False)
    is_slow = False
    try:
        with at_most(SECONDS):
            rows = chunks.page(
                found, PAGE, older_than=_key(request, "before"), newer_than=_key(request, "after")
            )
    except TooSlow:
        is_slow = True
    persons = [
        (masking.person(one, masked=masked), headcounts.REASONS.get(getattr(one, "why", ""), ""))
        for one in rows.rows
    ]
    if persons and not masked:
        name, kind = canvas.name, Activity.Kind.PEOPLE
        Activity.log_view(
            canvas.app_group, access.user(request), name, kind=kind, now=timezone.now()
        )
    ids = [one.pk for one in rows.rows]
    context = {
        "canvas": canvas,
        "title": headcounts.LABELS[who],
        "has_reasons": who == headcounts.UNSENT,
        "people": persons,
        "page": {
            "older": str(ids[-1]) if rows.has_older else "",
            "newer": str(ids[0]) if ids and rows.has_newer else "",
        },
        "is_masked": masked,
        "is_slow": is_slow,
    }
    return render(request, "canvases/headcount_people.html", context)


def _key(request: HttpRequest, name: str) -> list[int] | None:
    """Return the id from which the page starts; None if it is missing or invalid."""
    text = request.GET.get(name, "")
    return [int(text)] if text.isascii() and text.isdigit() and len(text) <= LONGEST_ID else None
