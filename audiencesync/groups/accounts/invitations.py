"""Inviting somebody into a group, and accepting: one link, one address, one use, seven days."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

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
PER_HOUR = 20  # of one group: they are mails to addresses of the inviter's choice


class Unproven(Exception):
    """It is not known yet whether the account belongs to the owner of its address."""


@transaction.atomic
def invite(app_group: AppGroup, *, email: str, role: str, by: User) -> tuple[Invitation, str]:
    """Issue an invitation and log it; an open one for the same address is replaced. Returns it with its token."""
    app_group.invitations.filter(email=email.strip().lower(), accepted_at=None).delete()
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
    """Send the link. False if the mail server refused; then the inviter may see it (``show``) and pass it on."""
    words = {"invitation": invitation, "link": link, "days": INVITATION_LIFETIME.days}
    group, known = invitation.app_group, User.objects.filter(email=invitation.email).first()
    with translation.override(known.language_in(group) if known else group.language):
        subject = _("Invitation to %(group)s on AudienceSync") % {
            "group": " ".join(group.name.split())
        }
        body = render_to_string("groups/invitation_mail.txt", words)
    try:
        send_mail(subject, body, None, [invitation.email])
    except Exception as error:  # noqa: BLE001 - any backend; its words repeat the address
        logger.error("An invitation could not be mailed (%s).", type(error).__name__)
        return False
    return True


def show(invitation: Invitation) -> None:
    """Write down that somebody beside the owner of the mailbox sees the link: from now on it proves no address."""
    invitation.link_shown = True
    invitation.save(update_fields=["link_shown"])


def find(token: str) -> Invitation | None:
    """The invitation with this token, open or not."""
    return (
        Invitation.objects.select_related("app_group", "invited_by")
        .filter(token_hash=Invitation.hash(token))
        .first()
    )


def backed() -> QuerySet[Invitation]:
    """Those whose inviters may still invite into the group: its admins, and staff."""
    admins = Membership.objects.filter(
        user=OuterRef("invited_by"), app_group=OuterRef("app_group"), role=Role.ADMIN
    )
    may = Q(invited_by__is_staff=True) | Exists(admins)
    return Invitation.objects.filter(may, invited_by__is_active=True)


def is_open(invitation: Invitation, *, now: datetime) -> bool:
    """Not accepted yet and not too old, into a group that is not archived, by one who may still invite."""
    return _open(invitation.pk, now=now).exists()


def why_closed(invitation: Invitation | None, *, now: datetime) -> tuple[str, str]:
    """Why a link does not work any more, and what to do; None: there is no such invitation."""
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
            "It has ended: the person who invited you may no longer invite people into this app group."
        )
        return reason, _("Ask an admin of the app group for a new link.")
    is_old = now >= invitation.created_at + INVITATION_LIFETIME
    return _(
        "It is too old."
    ) if is_old else used, ask_again  # else an account was made with it at the same time


@dataclass(frozen=True, slots=True)
class Pending:
    """An invitation nobody has accepted yet. ``has_ended``: nobody can, since its inviter may no longer invite."""

    invitation: Invitation
    has_ended: bool


def pending(app_group: AppGroup, *, now: datetime) -> list[Pending]:
    """The invitations of a group that are not used and not too old, newest first."""
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
    """An open invitation, locked until the end of the transaction: who comes second waits and finds it used."""
    return _open(pk, now=now).select_for_update().first()


@transaction.atomic
def accept(invitation: Invitation, user: User, *, now: datetime) -> bool:
    """Make ``user`` a member. False if the invitation was used, withdrawn, has ended or become too old meanwhile.

    Raises Unproven: an account made with a link that its inviter saw may be the inviter's; a group that mails its links
    takes it only after its owner has answered a mail. Changes of the address that are pending end.
    """
    if not may_accept(invitation, user):
        raise Unproven
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
    """Whether the account is surely its owner's, or the group passes its links on by hand anyway."""
    return invitation.link_shown or addresses.is_proven(user)
