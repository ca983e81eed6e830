"""One profile: its data, visits and deliveries, as a page and as a file; and its erasure."""

from __future__ import annotations

from itertools import islice

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audiencesync.core import htmx
from audiencesync.groups import access, reauthentication
from audiencesync.groups.models import Activity, Role
from audiencesync.people.models import Profile
from audiencesync.people.views.profiles import MOST_SHOWN, facts
from audiencesync.people.writing.identify import family
from canvases.privacy import erase as privacy
from canvases.privacy import export as export_data


@require_safe
@access.signed_in
def profile(request: HttpRequest, group: str, profile_id: int) -> HttpResponse:
    """Show a profile. Unmasked views are logged."""
    row = access.get(request, Profile, pk=profile_id)
    masked = not access.membership(request).may(Role.MARKETER)
    if not masked:
        Activity.log_view(
            row.app_group,
            access.user(request),
            row.braze_id,
            kind=Activity.Kind.PERSON,
            now=timezone.now(),
        )
    profile_ids = sorted(family([row.pk]))
    context = facts(row, masked=masked) | {
        "visits": list(islice(export_data.visits(profile_ids), MOST_SHOWN)),
        "deliveries": [
            (delivery, export_data.why(delivery))
            for delivery in islice(export_data.deliveries(profile_ids), MOST_SHOWN)
        ],
    }
    return render(request, "canvases/person.html", context)


@require_POST
@access.signed_in
def export(request: HttpRequest, group: str, profile_id: int) -> HttpResponse:
    """Download everything about a profile. The download is logged."""
    row = access.get(request, Profile, Role.ADMIN, pk=profile_id)
    reauthentication.require(request)
    Activity.log(
        row.app_group,
        access.user(request),
        Activity.Verb.EXPORTED,
        row.braze_id,
        kind=Activity.Kind.PERSON,
    )
    answer = JsonResponse(
        export_data.everything(row), json_dumps_params={"ensure_ascii": False, "indent": 2}
    )
    answer["Content-Disposition"] = f'attachment; filename="person-{row.braze_id}.json"'
    answer["Cache-Control"] = "no-store"
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def erase(request: HttpRequest, group: str, profile_id: int) -> HttpResponse:
    """Confirm, then erase one profile."""
    row = access.get(request, Profile, Role.ADMIN, pk=profile_id)
    if request.method != "POST":
        name = "canvases/person_erase.html"
        is_part = htmx.asks(request)
        template = f"{name}#question" if is_part else name
        return render(request, template, {"profile": row})
    reauthentication.require(request)
    privacy.erase_by(access.user(request), row.app_group, [row.pk], now=timezone.now())
    messages.success(
        request,
        _("The person is hidden now and leaves every audience. The receipt tells when it is done."),
    )
    return redirect("erasures", group)
