"""Invitations into a group: one link for one address, usable once within seven days."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiencesync.core import deadlines
from audiencesync.groups.accounts import addresses
from audiencesync.groups.models import (
    INVITATION_LIFETIME,
    Activity,
    AppGroup,
    Invitation,
    Membership,
    Role,
    User,
)

logger = logging.getLogger(__name__)
PER_HOUR = 20  # of one group: limits mails to arbitrary addresses


class Unconfirmed(Exception):
    """The address of the account is not confirmed yet."""


class JustInvited(Exception):
    """The same person has issued the same invitation a moment ago."""


@transaction.atomic
def invite(app_group: AppGroup, *, email: str, role: str, by: User) -> tuple[Invitation, str]:
    """Issue an invitation and log it. An open one for the same address is replaced.

    Returns the invitation with its token. Raises JustInvited, unless the first mail failed.
    """
    # One after the other: of two at once, neither would see the invitation of the other.
    AppGroup.objects.select_for_update(no_key=True).get(pk=app_group.pk)
    open_still = app_group.invitations.filter(email=email.strip().lower(), accepted_at=None)
    mine = open_still.filter(role=role, invited_by=by, link_shown=False)
    if mine.filter(created_at__gt=timezone.now() - deadlines.SAME_REQUEST).exists():
        raise JustInvited
    open_still.delete()
    invitation, token = Invitation.issue(app_group, email=email, role=role, by=by)
    changes = [(gettext_lazy("Role"), None, Role(role).label)]
    Activity.log(
        app_group,
        by,
        Activity.Verb.INVITED,
        invitation.email,
        kind=Activity.Kind.INVITATION,
        changes=changes,
    )
    return invitation, token


def mail(invitation: Invitation, link: str) -> bool:
    """Send the link.

    Return False if the mail server refused; the inviter may then see it (``show``).
    """
    words = {"invitation": invitation, "link": link, "days": INVITATION_LIFETIME.days}
    group, known = invitation.app_group, User.objects.filter(email=invitation.email).first()
    with translation.override(known.language_in(group) if known else group.language):
        subject = _("Invitation to %(group)s on AudienceSync") % {
            "group": " ".join(group.name.split())
        }
        body = render_to_string("groups/invitation_mail.txt", words)
    try:
        send_mail(subject, body, None, [invitation.email])
    except Exception as error:  # noqa: BLE001 - any backend; its error text repeats the address
        logger.error("An invitation could not be mailed (%s).", type(error).__name__)
        return False
    return True


def show(invitation: Invitation) -> None:
    """Record that the inviter sees the link, so that it no longer proves the address."""
    Invitation.objects.filter(pk=invitation.pk).update(link_shown=True)


def find(token: str) -> Invitation | None:
    """Return the invitation with this token, open or not."""
    return (
        Invitation.objects.select_related("app_group", "invited_by")
        .filter(token_hash=Invitation.hash(token))
        .first()
    )


def backed() -> QuerySet[Invitation]:
    """Return the invitations whose inviters may still invite: admins of the group, and staff."""
    admins = Membership.objects.filter(
        user=OuterRef("invited_by"), app_group=OuterRef("app_group"), role=Role.ADMIN
    )
    may = Q(invited_by__is_staff=True) | Exists(admins)
    return Invitation.objects.filter(may, invited_by__is_active=True)


def is_open(invitation: Invitation, *, now: datetime) -> bool:
    """Return whether the invitation can be accepted (used, age, inviter and group are checked)."""
    return _open(invitation.pk, now=now).exists()


def why_closed(invitation: Invitation | None, *, now: datetime) -> tuple[str, str]:
    """Return why a link does not work and what to do. None: there is no such invitation."""
    ask_again = _("Ask the person who invited you for a new link.")
    if invitation is None:
        return _(
            "It was withdrawn or replaced by a newer one, or the link is not complete."
        ), ask_again
    used = _("It has been used already. If it was you, simply sign in.")
    if invitation.accepted_at:
        return used, ask_again
    if invitation.app_group.archived_at:
        return _("The app group is archived, so no one can join it."), _(
            "Ask an admin of the app group about it."
        )
    if not backed().filter(pk=invitation.pk).exists():
        reason = _(
            "It has ended: the person who invited you "
            "may no longer invite people into this app group."
        )
        return reason, _("Ask an admin of the app group for a new link.")
    is_old = now >= invitation.created_at + INVITATION_LIFETIME
    # Neither: it is being used by another request at the same time.
    return _("It is too old.") if is_old else used, ask_again


@dataclass(frozen=True, slots=True)
class Pending:
    """An unused invitation.

    ``has_ended``: it cannot be accepted, as its inviter may no longer invite.
    """

    invitation: Invitation
    has_ended: bool


def pending(app_group: AppGroup, *, now: datetime) -> list[Pending]:
    """Return the unused invitations of a group that are not expired, newest first."""
    waiting = app_group.invitations.filter(
        accepted_at=None, created_at__gt=now - INVITATION_LIFETIME
    )
    good = set(backed().filter(app_group=app_group, accepted_at=None).values_list("pk", flat=True))
    listed = waiting.select_related("invited_by").order_by("-created_at")
    return [Pending(one, has_ended=one.pk not in good) for one in listed]


def _open(pk: int, *, now: datetime) -> QuerySet[Invitation]:
    young = Invitation.objects.filter(
        pk=pk, accepted_at=None, created_at__gt=now - INVITATION_LIFETIME
    )
    return young.filter(pk__in=backed().filter(pk=pk), app_group__archived_at=None)


def locked(pk: int, *, now: datetime) -> Invitation | None:
    """Return an open invitation, locked until the transaction ends, so that it is used once."""
    return _open(pk, now=now).select_for_update().first()


@transaction.atomic
def accept(invitation: Invitation, user: User, *, now: datetime) -> bool:
    """Make ``user`` a member; cancel pending changes of the user's address.

    Returns False if the invitation was used, withdrawn or has expired meanwhile. Raises Unconfirmed
    if the user must confirm the address first.
    """
    if not may_accept(invitation, user):
        raise Unconfirmed
    if not _open(invitation.pk, now=now).update(accepted_at=now):
        return False
    addresses.end_pending_changes(user)
    _membership, joined = Membership.objects.get_or_create(
        app_group=invitation.app_group,
        user=user,
        defaults={"role": invitation.role, "joined_at": now},
    )
    if joined:
        Activity.log(
            invitation.app_group, user, Activity.Verb.JOINED, user.email, kind=Activity.Kind.MEMBER
        )
    return True


def may_accept(invitation: Invitation, user: User) -> bool:
    """Return whether the user has confirmed the address, or the link was passed on by hand."""
    return invitation.link_shown or addresses.is_confirmed(user)
