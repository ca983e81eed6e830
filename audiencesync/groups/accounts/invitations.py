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
MAX_PER_HOUR = 20  # of one group: limits mails to arbitrary addresses


class Unconfirmed(Exception):
    """The address of the account is not confirmed yet."""


class JustInvited(Exception):
    """The same user sent the same invitation seconds ago: the form was submitted twice."""


@transaction.atomic
def invite(app_group: AppGroup, *, email: str, role: str, by: User) -> tuple[Invitation, str]:
    """Issue an invitation and log it. Any unaccepted one for the same address is replaced.

    Returns the invitation with its token. Raises JustInvited for a form that was submitted twice,
    but not if the mail of the first invitation failed.
    """
    # Concurrent requests run one after the other, so that the second sees the first's invitation.
    AppGroup.objects.select_for_update(no_key=True).get(pk=app_group.pk)
    unaccepted = app_group.invitations.filter(email=email.strip().lower(), accepted_at=None)
    # A shown link means that the mail failed. Then a second invitation is intended.
    same = unaccepted.filter(role=role, invited_by=by, link_shown=False)
    if same.filter(created_at__gt=timezone.now() - deadlines.DOUBLE_SUBMIT_WINDOW).exists():
        raise JustInvited
    unaccepted.delete()
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

    Return False if the mail server refused; the inviter may then see the link (`mark_link_shown`).
    """
    context = {"invitation": invitation, "link": link, "days": INVITATION_LIFETIME.days}
    group, invitee = invitation.app_group, User.objects.filter(email=invitation.email).first()
    with translation.override(invitee.language_in(group) if invitee else group.language):
        subject = _("Invitation to %(group)s on AudienceSync") % {
            "group": " ".join(group.name.split())
        }
        body = render_to_string("groups/invitation_mail.txt", context)
    try:
        send_mail(subject, body, None, [invitation.email])
    except Exception as error:  # noqa: BLE001 - any backend; its error text repeats the address
        logger.error("An invitation could not be mailed (%s).", type(error).__name__)
        return False
    return True


def mark_link_shown(invitation: Invitation) -> None:
    """Record that the inviter sees the link, so that its use proves no access to the mailbox."""
    Invitation.objects.filter(pk=invitation.pk).update(link_shown=True)


def find(token: str) -> Invitation | None:
    """Return the invitation with this token, whether it can still be accepted or not."""
    return (
        Invitation.objects.select_related("app_group", "invited_by")
        .filter(token_hash=Invitation.hash(token))
        .first()
    )


def with_authorized_inviter() -> QuerySet[Invitation]:
    """Return the invitations whose inviters may still invite: admins of the group, and staff."""
    admins = Membership.objects.filter(
        user=OuterRef("invited_by"), app_group=OuterRef("app_group"), role=Role.ADMIN
    )
    may_invite_q = Q(invited_by__is_staff=True) | Exists(admins)
    return Invitation.objects.filter(may_invite_q, invited_by__is_active=True)


def is_open(invitation: Invitation, *, now: datetime) -> bool:
    """Return whether it can be accepted: unused, not expired, inviter authorised, group active."""
    return _acceptable(invitation.pk, now=now).exists()


def why_closed(invitation: Invitation | None, *, now: datetime) -> tuple[str, str]:
    """Return why a link does not work, and what to do about it.

    ``invitation`` is None if none has the token of the link.
    """
    ask_again = _("Ask the person who invited you for a new link.")
    if invitation is None:
        return _(
            "It was withdrawn or replaced by a newer one, or the link is not complete."
        ), ask_again
    was_used = _("It has been used already. If it was you, simply sign in.")
    if invitation.accepted_at:
        return was_used, ask_again
    if invitation.app_group.archived_at:
        return _("The app group is archived, so no one can join it."), _(
            "Ask an admin of the app group about it."
        )
    if not with_authorized_inviter().filter(pk=invitation.pk).exists():
        reason = _(
            "It has ended: the person who invited you "
            "may no longer invite people into this app group."
        )
        return reason, _("Ask an admin of the app group for a new link.")
    is_old = now >= invitation.created_at + INVITATION_LIFETIME
    # If it is not too old, another request is accepting it at the same time.
    return _("It is too old.") if is_old else was_used, ask_again


@dataclass(frozen=True, slots=True)
class Pending:
    """An unused invitation.

    It cannot be accepted if its inviter may no longer invite.
    """

    invitation: Invitation
    inviter_lost_rights: bool


def pending(app_group: AppGroup, *, now: datetime) -> list[Pending]:
    """Return the unused invitations of a group that are not expired, newest first."""
    unused = app_group.invitations.filter(
        accepted_at=None, created_at__gt=now - INVITATION_LIFETIME
    )
    authorized = with_authorized_inviter().filter(app_group=app_group, accepted_at=None)
    authorized_ids = set(authorized.values_list("pk", flat=True))
    newest_first = unused.select_related("invited_by").order_by("-created_at")
    return [Pending(row, inviter_lost_rights=row.pk not in authorized_ids) for row in newest_first]


def _acceptable(pk: int, *, now: datetime) -> QuerySet[Invitation]:
    """Return the invitation ``pk`` if it can be accepted, else no row."""
    unused = Invitation.objects.filter(
        pk=pk, accepted_at=None, created_at__gt=now - INVITATION_LIFETIME
    )
    return unused.filter(
        pk__in=with_authorized_inviter().filter(pk=pk), app_group__archived_at=None
    )


def get_open_for_update(pk: int, *, now: datetime) -> Invitation | None:
    """Return an open invitation, locked until the transaction ends, so that it is used once."""
    return _acceptable(pk, now=now).select_for_update().first()


@transaction.atomic
def accept(invitation: Invitation, user: User, *, now: datetime) -> bool:
    """Make ``user`` a member; cancel pending changes of the user's address.

    Returns False if the invitation was used, withdrawn or has expired meanwhile. Raises Unconfirmed
    if the user must confirm the address first.
    """
    if not may_accept(invitation, user):
        raise Unconfirmed
    if not _acceptable(invitation.pk, now=now).update(accepted_at=now):
        return False
    # A change of the address that was requested before could move the account, which is now a
    # member, to another mailbox.
    addresses.end_pending_changes(user)
    _membership, is_new_member = Membership.objects.get_or_create(
        app_group=invitation.app_group,
        user=user,
        defaults={"role": invitation.role, "joined_at": now},
    )
    if is_new_member:
        Activity.log(
            invitation.app_group, user, Activity.Verb.JOINED, user.email, kind=Activity.Kind.MEMBER
        )
    return True


def may_accept(invitation: Invitation, user: User) -> bool:
    """Return whether the user has confirmed the address, or the link was passed on by hand.

    The caller compares the addresses of user and invitation.
    """
    # A mailed link is meant for the owner of the mailbox, but an account with that address may
    # belong to another person, who made it through a shown link: so the address must be confirmed.
    # A shown link was passed on by the inviter to the right person. No confirmation is required
    # then, because the installation may have no mail server.
    return invitation.link_shown or addresses.is_confirmed(user)
