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
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audiencesync.core.web import sealed_search
from audiencesync.groups import access, exports
from audiencesync.groups.forms import ActivityFilter
from audiencesync.groups.logged_changes import masked_email
from audiencesync.groups.models import Activity, AppGroup, Role, User

PER_PAGE = 50


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def activity(request: HttpRequest, group: str) -> HttpResponseBase:
    """List the log, newest first; the button CSV of its form downloads it, for admins."""
    app_group, is_csv = access.group(request), request.POST.get("format") == "csv"
    if is_csv:
        access.group(request, Role.ADMIN)
    is_admin = access.membership(request).may(Role.ADMIN)
    form = sealed_search.bind(ActivityFilter, request, people=_actor_choices(app_group))
    if request.method == "POST" and form.is_valid() and not is_csv:
        return redirect(sealed_search.address(request, form.cleaned_data["q"]))
    lines = access.all_of(request, Activity).select_related("actor")
    if form.is_valid():
        zone = ZoneInfo(app_group.time_zone)
        lines = _filter(lines, form.cleaned_data, zone, is_admin=is_admin)
        if is_csv:
            return _csv_file(request, app_group, lines)
    page = Paginator(lines, PER_PAGE).get_page(request.GET.get("page"))
    if not is_admin:
        _mask_invited(page)
    context = {
        "page": page,
        "form": form,
        "is_filtered": form.is_valid() and any(form.cleaned_data.values()),
        "in_full": is_admin,
    }
    return render(request, "groups/activity.html", context, status=200 if form.is_valid() else 422)


def _mask_invited(lines: Iterable[Activity]) -> None:
    """Mask the addresses of invited persons, which only admins see."""
    for line in lines:
        if line.verb == Activity.Verb.INVITED:
            line.subject = masked_email(line.subject)


def _actor_choices(app_group: AppGroup) -> list[tuple[str, str]]:
    """Return choices for the filter: members, and former members in the log."""
    actor_ids = app_group.activities.order_by().values("actor")
    people = User.objects.filter(memberships__app_group=app_group) | User.objects.filter(
        pk__in=actor_ids
    )
    return [(str(person.pk), str(person)) for person in people.distinct().order_by("name", "email")]


def _filter(
    lines: QuerySet[Activity], values: dict[str, Any], zone: ZoneInfo, *, is_admin: bool
) -> QuerySet[Activity]:
    if values["q"]:
        lines = lines.filter(subject__icontains=values["q"])
        if not is_admin:  # a search must not reveal masked addresses
            lines = lines.exclude(verb=Activity.Verb.INVITED)
    if values["kind"]:
        lines = lines.filter(kind=values["kind"])
    if values["verb"]:
        lines = lines.filter(verb=values["verb"])
    if values["person"]:
        lines = lines.filter(actor__pk=int(values["person"]))
    if values["since"]:
        lines = lines.filter(at__gte=datetime.combine(values["since"], time.min, zone))
    if values["until"]:
        last = values["until"] + timedelta(days=1)
        lines = lines.filter(at__lt=datetime.combine(last, time.min, zone))
    return lines


def _csv_file(
    request: HttpRequest, app_group: AppGroup, lines: QuerySet[Activity]
) -> HttpResponseBase:
    newest = lines.first()  # read now: the file does not hold the line about its own download
    if newest is not None:
        lines = lines.filter(at__lte=newest.at)
    return exports.csv_file(
        request,
        [app_group],
        _csv_rows(lines),
        name="activity",
        subject=_("Activity"),
        kind=Activity.Kind.GROUP,
    )


def _csv_rows(lines: QuerySet[Activity]) -> Iterator[list[str]]:
    """Yield the headings, and a row per line."""
    yield [
        _("When (UTC)"),
        _("Who"),
        _("From"),
        _("What"),
        _("Kind"),
        _("Name"),
        _("Changes"),
    ]
    for line in lines.iterator(chunk_size=1000):
        yield [
            line.at.isoformat(timespec="seconds"),
            str(line.actor) if line.actor else _("the system"),
            line.address or "",
            line.get_verb_display(),
            line.kind_label,
            line.subject,
            "; ".join(f"{one.what}: {one.before} → {one.after}" for one in line.shown_changes),
        ]
