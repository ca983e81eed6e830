"""Export the people of a segment or of a group as a CSV file. Each export is logged."""

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from audiencesync.groups import access, exports, reauthentication
from audiencesync.groups.models import Activity, Role
from audiencesync.people.models import Profile, Segment
from audiencesync.people.segments import filters
from audiencesync.people.views import csv_export


@require_POST
@access.signed_in
def everybody(request: HttpRequest, group: str) -> HttpResponseBase:
    """Export all people of the group."""
    return _file(
        request,
        access.all_of(request, Profile, Role.MARKETER),
        _("Everybody"),
        "people",
        kind=Activity.Kind.PEOPLE,
    )


@require_POST
@access.signed_in
def segment(request: HttpRequest, group: str, segment_id: int) -> HttpResponseBase:
    """Export the people in a segment now."""
    segment = access.get(request, Segment, Role.MARKETER, pk=segment_id)
    try:
        query = filters.parse(segment.filter)
    except filters.FilterError:
        messages.error(request, _("This filter cannot be read."))
        return redirect("segment", group, segment.pk)
    people = access.all_of(request, Profile, Role.MARKETER).filter(query)
    return _file(request, people, segment.name, f"segment-{segment.pk}", kind=Activity.Kind.SEGMENT)


def _file(
    request: HttpRequest, people: QuerySet[Profile], subject: str, name: str, *, kind: str
) -> HttpResponseBase:
    reauthentication.require(request)
    rows, groups = csv_export.rows(people), [access.group(request)]
    return exports.csv_file(request, groups, rows, name=name, subject=subject, kind=kind)
