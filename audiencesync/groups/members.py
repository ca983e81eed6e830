"""Changing and removing members. A group always keeps an admin, also when two admins act at the same moment."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import Activity, AppGroup, Membership, Role, User


class LastAdmin(Exception):
    """The group would be left without an admin."""


def _locked(membership: Membership) -> Membership | None:
    """The row as it is now, with its group locked, so that changes of members happen one after the other."""
    AppGroup.objects.select_for_update().get(pk=membership.app_group_id)
    return Membership.objects.select_related("user", "app_group").filter(pk=membership.pk).first()


def _keep_an_admin(membership: Membership) -> None:
    others = membership.app_group.memberships.filter(role=Role.ADMIN).exclude(pk=membership.pk)
    if membership.role == Role.ADMIN and not others.exists():
        raise LastAdmin


@transaction.atomic
def join(app_group: AppGroup, user: User, role: Role, *, now: datetime) -> None:
    """Make a user a member with this role, or give a member this role."""
    AppGroup.objects.select_for_update().get(pk=app_group.pk)
    Membership.objects.update_or_create(
        app_group=app_group, user=user, defaults={"role": role}, create_defaults={"role": role, "joined_at": now}
    )
    Activity.log(app_group, user, Activity.Verb.JOINED, user.email)


@transaction.atomic
def set_role(membership: Membership, role: Role, *, by: User) -> None:
    """Give a member another role. Raises LastAdmin. A member removed meanwhile stays removed."""
    current = _locked(membership)
    if current is None or current.role == role:
        return
    if role != Role.ADMIN:
        _keep_an_admin(current)
    changes = [(_("Role"), Role(current.role).label, role.label)]
    current.role = role
    current.save(update_fields=["role"])
    Activity.log(
        current.app_group, by, Activity.Verb.CHANGED, current.user.email, kind=Activity.Kind.MEMBER, changes=changes
    )


@transaction.atomic
def remove(membership: Membership, *, by: User) -> None:
    """End a membership. Raises LastAdmin."""
    current = _locked(membership)
    if current is None:
        return
    _keep_an_admin(current)
    current.delete()
    Activity.log(current.app_group, by, Activity.Verb.REMOVED, current.user.email, kind=Activity.Kind.MEMBER)
