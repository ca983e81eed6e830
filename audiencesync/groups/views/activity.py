"""The activity log of a group: who did what, when, from where; filtered, and as a CSV file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audiencesync.core import csv_files
from audiencesync.groups import access
from audiencesync.groups.forms import ActivityFilter
from audiencesync.groups.logged_changes import masked_email
from audiencesync.groups.models import Activity, AppGroup, Role, User

PER_PAGE = 50


@require_safe
@access.signed_in
def activity(request: HttpRequest, group: str) -> HttpResponseBase:
    """List the log, newest first; ``?format=csv`` downloads it, for admins."""
    app_group, is_csv = access.group(request), request.GET.get("format") == "csv"
    if is_csv:
        access.group(request, Role.ADMIN)
    in_full = access.membership(request).may(Role.ADMIN)
    form = ActivityFilter(request.GET, people=_people(app_group))
    lines = access.all_of(request, Activity).select_related("actor")
    if form.is_valid():
        lines = _narrow(lines, form.cleaned_data, ZoneInfo(app_group.time_zone), in_full=in_full)
        if is_csv:
            return _csv(lines)
    page = Paginator(lines, PER_PAGE).get_page(request.GET.get("page"))
    if not in_full:
        _mask_invited(page)
    context = {
        "page": page,
        "form": form,
        "is_filtered": form.is_valid() and any(form.cleaned_data.values()),
        "in_full": in_full,
    }
    return render(request, "groups/activity.html", context, status=200 if form.is_valid() else 422)


def _mask_invited(lines: Iterable[Activity]) -> None:
    """Mask the addresses of invited persons, which only admins see."""
    for line in lines:
        if line.verb == Activity.Verb.INVITED:
            line.subject = masked_email(line.subject)


def _people(app_group: AppGroup) -> list[tuple[str, str]]:
    """Return choices for the filter: members, and former members in the log."""
    acted = app_group.activities.order_by().values("actor")
    people = User.objects.filter(memberships__app_group=app_group) | User.objects.filter(
        pk__in=acted
    )
    return [(str(person.pk), str(person)) for person in people.distinct().order_by("name", "email")]


def _narrow(
    lines: QuerySet[Activity], asked: dict[str, Any], zone: ZoneInfo, *, in_full: bool
) -> QuerySet[Activity]:
    if asked["q"]:
        lines = lines.filter(subject__icontains=asked["q"])
        if not in_full:  # a search must not tell what is masked
            lines = lines.exclude(verb=Activity.Verb.INVITED)
    if asked["kind"]:
        lines = lines.filter(kind=asked["kind"])
    if asked["verb"]:
        lines = lines.filter(verb=asked["verb"])
    if asked["person"]:
        lines = lines.filter(actor__pk=int(asked["person"]))
    if asked["since"]:
        lines = lines.filter(at__gte=datetime.combine(asked["since"], time.min, zone))
    if asked["until"]:
        last = asked["until"] + timedelta(days=1)
        lines = lines.filter(at__lt=datetime.combine(last, time.min, zone))
    return lines


def _csv(lines: QuerySet[Activity]) -> HttpResponseBase:
    parts = csv_files.lines(_rows(lines, translation.get_language()))
    return csv_files.download(parts, f"activity-{timezone.now():%Y%m%d-%H%M}.csv")


def _rows(lines: QuerySet[Activity], language: str | None) -> Iterator[list[str]]:
    """Yield a row per line; ``language``: of the reader, which is reset before rows are made."""
    with translation.override(language):
        heads = [
            _("When (UTC)"),
            _("Who"),
            _("From"),
            _("What"),
            _("Kind"),
            _("Name"),
            _("Changes"),
        ]
    yield heads
    for line in lines.iterator(chunk_size=1000):
        with translation.override(language):
            row = [
                line.at.isoformat(timespec="seconds"),
                str(line.actor) if line.actor else _("the system"),
                line.address or "",
                line.get_verb_display(),
                line.kind_label,
                line.subject,
                "; ".join(f"{one.what}: {one.before} → {one.after}" for one in line.shown_changes),
            ]
        yield row
