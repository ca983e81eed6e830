"""Changes and removals of members. A group always keeps an admin, also after concurrent changes.

When a member stops being an admin, the invitations that they issued end.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audiencesync.groups import api_keys
from audiencesync.groups.models import (
    Activity,
    ApiKey,
    AppGroup,
    Invitation,
    Membership,
    Role,
    User,
)


class LastAdmin(Exception):
    """The group would be left without an admin."""


def _lock(membership: Membership) -> Membership | None:
    """Lock the group and read the row again, so that changes of members run one after the other.

    Return None if the member was removed meanwhile.
    """
    AppGroup.objects.select_for_update().get(pk=membership.app_group_id)
    return Membership.objects.select_related("user", "app_group").filter(pk=membership.pk).first()


def _require_another_admin(membership: Membership) -> None:
    """Raise LastAdmin if this member is the only admin."""
    others = membership.app_group.memberships.filter(role=Role.ADMIN).exclude(pk=membership.pk)
    if membership.role == Role.ADMIN and not others.exists():
        raise LastAdmin


def keys_of(membership: Membership) -> QuerySet[ApiKey]:
    """Return the open keys that this member has created and may know."""
    unexpired_q = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return membership.app_group.api_keys.filter(
        unexpired_q, created_by=membership.user, revoked_at=None
    )


def invitations_of(membership: Membership) -> QuerySet[Invitation]:
    """Return the invitations of this member that are not accepted yet, expired ones too."""
    return membership.app_group.invitations.filter(invited_by=membership.user, accepted_at=None)


@transaction.atomic
def join(app_group: AppGroup, user: User, role: Role, *, now: datetime) -> None:
    """Make a user a member with this role, or give a member this role."""
    AppGroup.objects.select_for_update().get(pk=app_group.pk)
    if Membership.objects.filter(app_group=app_group, user=user, role=role).exists():
        return
    Membership.objects.update_or_create(
        app_group=app_group,
        user=user,
        defaults={"role": role},
        create_defaults={"role": role, "joined_at": now},
    )
    Activity.log(app_group, user, Activity.Verb.JOINED, user.email, kind=Activity.Kind.MEMBER)


@transaction.atomic
def set_role(membership: Membership, role: Role, *, by: User, revoke_keys: bool = False) -> None:
    """Give a member another role. Raises LastAdmin. A member removed meanwhile stays removed."""
    current = _lock(membership)
    if current is None or current.role == role:
        return
    if role != Role.ADMIN:
        _require_another_admin(current)
        _end_access(current, by=by, revoke_keys=revoke_keys)
    changes = [(_("Role"), Role(current.role).label, role.label)]
    current.role = role
    current.save(update_fields=["role"])
    Activity.log(
        current.app_group,
        by,
        Activity.Verb.CHANGED,
        current.user.email,
        kind=Activity.Kind.MEMBER,
        changes=changes,
    )


@transaction.atomic
def remove(membership: Membership, *, by: User, revoke_keys: bool = False) -> None:
    """Delete a membership. Raises LastAdmin."""
    current = _lock(membership)
    if current is None:
        return
    _require_another_admin(current)
    _end_access(current, by=by, revoke_keys=revoke_keys)
    current.delete()
    Activity.log(
        current.app_group, by, Activity.Verb.REMOVED, current.user.email, kind=Activity.Kind.MEMBER
    )


def _end_access(membership: Membership, *, by: User, revoke_keys: bool) -> None:
    """Delete unaccepted invitations of a member and, if asked, revoke their keys."""
    invitations_of(membership).delete()
    for key in keys_of(membership) if revoke_keys else ():
        api_keys.revoke(key, by=by, now=timezone.now())
