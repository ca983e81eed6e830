"""The outbox: mails that the background worker sends until the mail server accepts them.

Alerts are sent once per incident and recipient. A mail counts as sent only after the server
accepted it, so a server that is down for an hour delays mails and loses none.

``due_at`` of a mail is the time of its next attempt; None: it was sent, or given up. A worker that
claims a mail moves ``due_at`` to the attempt after this one, so it is also the end of the claim.
"""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from smtplib import SMTPDataError, SMTPRecipientsRefused

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import translation

from audiencesync.core import lease
from audiencesync.groups.accounts import requested_mails
from audiencesync.groups.mail_model import OutgoingMail
from audiencesync.groups.models import AppGroup, Membership, User

logger = logging.getLogger(__name__)
MAX_MAILS_PER_CALL = 100
SENDING_SECONDS = 20.0  # after this time a call of `send_due` begins no further mail
BACKOFF_BASE, BACKOFF_MAX = 60.0, 3600.0  # seconds
DEADLINE = timedelta(days=3)  # after this time a mail that was not accepted is given up
KEEP_ROWS = timedelta(days=7)

# Errors that concern only one mail: its recipient, its content, or a header that cannot be sent.
REFUSED_ONE_MAIL = (SMTPRecipientsRefused, SMTPDataError, ValueError)

Text = tuple[str, str]  # of a mail: subject and body


def enqueue(
    key: str,
    group: AppGroup,
    recipients: Iterable[Membership],
    write: Callable[[Membership], Text],
    *,
    now: datetime,
) -> int:
    """Queue a mail to each recipient in their language, once per ``key``; return how many are new.

    A mail with this key that is not sent yet gets the new text.
    """
    n_new = 0
    for recipient in recipients:
        mails = OutgoingMail.objects.filter(key=f"{key}:{recipient.user_id}")
        due_at = mails.values_list("due_at", flat=True).first()
        if due_at is None and mails.exists():  # sent or given up
            continue
        with translation.override(recipient.user.language_in(group)):
            subject, body = write(recipient)
        columns = {"subject": " ".join(subject.split())[:250], "body": body}
        if due_at is not None:
            mails.filter(due_at__isnull=False).update(**columns)
        else:
            _add(f"{key}:{recipient.user_id}", recipient.user, columns, now=now)
            n_new += 1
    return n_new


def _add(key: str, user: User, columns: dict[str, str], *, now: datetime) -> None:
    mail = OutgoingMail(key=key, user=user, created_at=now, due_at=now, **columns)
    # Another worker may add the same mail at the same time: the first row stays.
    OutgoingMail.objects.bulk_create([mail], ignore_conflicts=True)


def send_due(*, now: datetime, count_failure: Callable[[], None]) -> int:
    """Send the mails that are due and return how many the server accepted; delete old rows.

    Each mail is sent once however many workers call this. ``count_failure`` adds one to the
    caller's count of failures, in the transaction that gives up a mail.
    """
    OutgoingMail.objects.filter(due_at=None, created_at__lt=now - KEEP_ROWS).delete()
    n_sent, ends_at = 0, time.monotonic() + SENDING_SECONDS
    # A time further ahead than any back-off was written by a wrong clock and is due, too.
    due_q = lease.expired_q("due_at", seconds=BACKOFF_MAX, now=now)
    due = OutgoingMail.objects.filter(due_q).select_related("user")
    for mail in due.order_by("due_at", "pk")[:MAX_MAILS_PER_CALL]:
        if time.monotonic() > ends_at:
            break
        if not _claim(mail, now=now):
            continue
        message = _message(mail)
        error = _send(message) if message else None
        if error is None:
            _finish(mail, now=now)
            n_sent += message is not None
            continue
        _handle_failure(mail, error, count_failure, now=now)
        if not isinstance(error, REFUSED_ONE_MAIL):
            break  # the server is down or refuses us: it would not take the others either
    return n_sent


def _claim(mail: OutgoingMail, *, now: datetime) -> bool:
    """Move ``due_at`` to the next attempt; return False if another worker did so before.

    The next attempt happens if this process dies or the server refuses.
    """
    pause = min(BACKOFF_BASE * 2 ** min(mail.tries, 10), BACKOFF_MAX)
    unclaimed = OutgoingMail.objects.filter(pk=mail.pk, due_at=mail.due_at)
    return bool(unclaimed.update(due_at=now + timedelta(seconds=pause), tries=mail.tries + 1))


def _message(mail: OutgoingMail) -> EmailMessage | None:
    """Build the message; None for a requested mail whose address has no account."""
    if mail.user is None:  # requested: any other mail has a user (constraint letter_has_a_reader)
        return requested_mails.message(mail)
    return EmailMessage(mail.subject, mail.body, to=[mail.user.email])


def _send(message: EmailMessage) -> Exception | None:
    try:
        message.send()
    except Exception as error:  # noqa: BLE001 - a backend of the operator may raise anything
        return error
    return None


def _finish(mail: OutgoingMail, *, now: datetime) -> None:
    if mail.is_requested:
        # This mail answers all requests made until now: delete it together with the others.
        requested_mails.open_requests(mail.kind, mail.address).filter(created_at__lte=now).delete()
    else:
        OutgoingMail.objects.filter(pk=mail.pk).update(
            sent_at=now, due_at=None, subject="", body=""
        )


def _handle_failure(
    mail: OutgoingMail, error: Exception, count_failure: Callable[[], None], *, now: datetime
) -> None:
    """Count and log a failed attempt; give the mail up after the deadline."""
    is_over = mail.created_at < now - DEADLINE
    with transaction.atomic():
        count_failure()
        if is_over:
            _give_up(mail)
    logger.error(  # without the text of the error, which repeats the address
        "A mail (%s) could not be sent (%s); %s.",
        mail.key,
        type(error).__name__,
        "given up after three days" if is_over else "it is tried again",
    )


def _give_up(mail: OutgoingMail) -> None:
    if mail.is_requested:
        OutgoingMail.objects.filter(pk=mail.pk).delete()
    else:
        OutgoingMail.objects.filter(pk=mail.pk).update(due_at=None, subject="", body="")


def absolute_url(path: str) -> str:
    """Return the URL of a path under SITE_URL."""
    return f"{settings.SITE_URL}{path}"
