"""The home page and the entry into a group: both redirect."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from audiencesync.groups import access
from audiencesync.groups.models import AppGroup
from audiencesync.groups.views.setup import with_setup_hint

LAST_GROUP = "last_group"  # session key


@require_safe
@with_setup_hint
@access.signed_in
def home(request: HttpRequest) -> HttpResponse:
    """Redirect to the group visited last, else to the only group, else to the list of groups."""
    groups = access.my_groups(request)
    slug = request.session.get(LAST_GROUP)
    chosen = groups.filter(slug=slug).first() if slug else None
    if chosen is None and len(groups) == 1:
        chosen = groups[0]
    return redirect("group", chosen.slug) if chosen else redirect("groups")


@require_safe
@access.signed_in
def group(request: HttpRequest, group: str) -> HttpResponse:
    """Remember the group and redirect to its overview."""
    app_group = access.group(request)
    request.session[LAST_GROUP] = app_group.slug
    return redirect(_first_page(app_group))


def _first_page(app_group: AppGroup) -> str:
    try:
        return reverse("overview", args=[app_group.slug])
    except NoReverseMatch:
        return reverse("groups")
