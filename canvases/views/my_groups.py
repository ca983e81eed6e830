"""The page on which a member chooses an app group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audiencesync.groups import access
from audiencesync.groups.models import AppGroup, Membership, Role
from canvases.models import Canvas


@dataclass(frozen=True, slots=True)
class Tile:
    """A group with the role of the member and counts of canvases that are not archived."""

    group: AppGroup
    role: Role
    n_live: int
    n_draft: int
    n_canvases: int


@require_safe
@access.signed_in
def groups(request: HttpRequest) -> HttpResponse:
    """List the groups of the member."""
    own_groups = list(access.my_groups(request))
    memberships = Membership.objects.filter(user=access.user(request), app_group__in=own_groups)
    roles = dict(memberships.values_list("app_group", "role"))
    counts = _counts(own_groups)
    tiles = [
        Tile(group, Role(roles.get(group.pk, Role.VIEWER)), *counts.get(group.pk, (0, 0, 0)))
        for group in own_groups
    ]
    return render(request, "groups/groups.html", {"tiles": tiles})


def _counts(of_groups: Iterable[AppGroup]) -> dict[int, tuple[int, int, int]]:
    """Return (live, draft, all) canvases by group. One query."""
    rows = (
        Canvas.objects.filter(app_group__in=of_groups)
        .exclude(state=Canvas.State.ARCHIVED)
        .order_by()
    )
    live, draft = (
        Count("pk", filter=Q(state=state)) for state in (Canvas.State.LIVE, Canvas.State.DRAFT)
    )
    counts = rows.values_list("app_group").annotate(n_live=live, n_draft=draft, n=Count("pk"))
    return {group: (n_live, n_draft, n) for group, n_live, n_draft, n in counts}
