"""Inviting somebody into a group, and accepting: one link, one address, one use, seven days."""

import logging
import smtplib
from datetime import datetime

from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiencesync.groups.models import INVITATION_LIFETIME, Activity, AppGroup, Invitation, Membership, Role, User

logger = logging.getLogger(__name__)


@transaction.atomic
def invite(app_group: AppGroup, *, email: str, role: str, by: User) -> tuple[Invitation, str]:
    """Issue an invitation and log it; an open one for the same address is replaced. Returns it with its token."""
    app_group.invitations.filter(email__iexact=email, accepted_at=None).delete()
    invitation, token = Invitation.issue(app_group, email=email, role=role, by=by)
    changes = [(gettext_lazy("Role"), None, Role(role).label)]
    Activity.log(app_group, by, Activity.Verb.INVITED, invitation.email, kind=Activity.Kind.INVITATION, changes=changes)
    return invitation, token


def mail(invitation: Invitation, link: str) -> bool:
    """Send the link. False if the mail server refused; the inviter can then pass the link on."""
    words = {"invitation": invitation, "link": link, "days": INVITATION_LIFETIME.days}
    group, known = invitation.app_group, User.objects.filter(email__iexact=invitation.email).first()
    with translation.override(known.language_in(group) if known else group.language):
        subject = _("Invitation to %(group)s on AudienceSync") % {"group": " ".join(group.name.split())}
        body = render_to_string("groups/invitation_mail.txt", words)
    try:
        send_mail(subject, body, None, [invitation.email])
    except (OSError, smtplib.SMTPException) as error:  # its words repeat the address
        logger.error("An invitation could not be mailed (%s).", type(error).__name__)
        return False
    return True


def find(token: str) -> Invitation | None:
    """The invitation with this token, open or not."""
    return (
        Invitation.objects.select_related("app_group", "invited_by").filter(token_hash=Invitation.hash(token)).first()
    )


def pending(app_group: AppGroup, *, now: datetime) -> list[Invitation]:
    """The invitations of a group that can still be accepted, newest first."""
    waiting = app_group.invitations.filter(accepted_at=None, created_at__gt=now - INVITATION_LIFETIME)
    return list(waiting.select_related("invited_by").order_by("-created_at"))


@transaction.atomic
def accept(invitation: Invitation, user: User, *, now: datetime) -> bool:
    """Make ``user`` a member. False if the invitation was used, withdrawn or has become too old meanwhile."""
    waiting = Invitation.objects.filter(accepted_at=None, app_group__archived_at=None)
    still_open = waiting.filter(pk=invitation.pk, created_at__gt=now - INVITATION_LIFETIME)
    if not still_open.update(accepted_at=now):
        return False
    _membership, joined = Membership.objects.get_or_create(
        app_group=invitation.app_group, user=user, defaults={"role": invitation.role, "joined_at": now}
    )
    if joined:
        Activity.log(invitation.app_group, user, Activity.Verb.JOINED, user.email, kind=Activity.Kind.MEMBER)
    return True
