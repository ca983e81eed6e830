"""The tables of users and groups. Operators may deactivate users, and make them staff."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiencesync.core.models import BeatSlot
from audiencesync.groups import access, models, reauthentication
from audiencesync.groups.logged_changes import LoggedChange, masked_email
from audiencesync.groups.models import Activity, User
from audiencesync.groups.operators.read_only import EMAIL, ReadOnly, presence, register

logger = logging.getLogger(__name__)
SWITCHES = {
    "is_active": gettext_lazy("May sign in"),
    "is_staff": gettext_lazy("Staff of this installation"),
}


class UserRows(ReadOnly):
    """Users. An operator may change who can sign in and who is staff, except for themselves."""

    personal = EMAIL | {"name": presence}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return all columns except the switches."""
        return [cell for cell in self.cells if cell not in SWITCHES]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Name the switches as the activity log does."""
        label = SWITCHES[db_field.name]
        return super().formfield_for_dbfield(db_field, request, **kwargs | {"label": label})

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse changes of one's own row, so that no operator locks out the last one."""
        return self.has_view_permission(request) and (obj is None or obj.pk != request.user.pk)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Store the switches, and log them in each group of the user."""
        if not change:
            raise PermissionDenied
        reauthentication.require(request)
        with transaction.atomic():
            before = User.objects.select_for_update(no_key=True).get(pk=obj.pk)
            changes: list[LoggedChange] = [
                (label, getattr(before, name), getattr(obj, name))
                for name, label in SWITCHES.items()
                if getattr(before, name) != getattr(obj, name)
            ]
            obj.save(update_fields=list(SWITCHES))
            for membership in before.memberships.select_related("app_group"):
                Activity.log(
                    membership.app_group,
                    access.user(request),
                    Activity.Verb.CHANGED,
                    before.name or masked_email(before.email),
                    kind=Activity.Kind.MEMBER,
                    changes=changes,
                )
        logger.info("User %s changed user %s in the admin", access.user(request).pk, obj.pk)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Write no line of Django's own: ours is in the activity log."""

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Leave the name of the user out of the message."""
        messages.success(request, _("Saved."))
        return redirect("admin:groups_user_change", obj.pk)


register([models.User], UserRows)
register(
    [models.AppGroup],
    keys=("slug",),
    also=("consent_values",),
)
register([models.Membership, models.ApiKey], also=("scopes",))
register([models.Invitation], personal=EMAIL)
# Subjects and changes name members, and what they did.
register([models.Activity], without=("subject", "changes", "address"))
register([models.OutgoingMail], personal={"address": masked_email}, without=("subject", "body"))
register([models.SetupLink, models.RateWindow, models.KeptAnswer, models.PurgeCursor, BeatSlot])
