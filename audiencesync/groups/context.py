"""Template context of every page: the current app group, the user's role in it, their groups."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from audiencesync.core import partner_names
from audiencesync.groups.models import AppGroup, Role


def current(request: HttpRequest) -> dict[str, Any]:
    """Return ``has_mail`` and ``partner_names``.

    For signed-in users also ``app_group``, ``membership``, ``my_groups`` (lazy), ``may_edit`` and
    ``may_admin``.
    """
    for_everybody = {"has_mail": settings.HAS_MAIL, "partner_names": partner_names.names()}
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return for_everybody
    membership = getattr(request, "membership", None)
    own_groups = AppGroup.objects.filter(memberships__user=request.user, archived_at=None)
    return for_everybody | {
        "membership": membership,
        "app_group": membership.app_group if membership else None,
        "my_groups": own_groups.order_by("name"),
        "may_edit": bool(membership and membership.may(Role.MARKETER)),
        "may_admin": bool(membership and membership.may(Role.ADMIN)),
    }
