"""Mails that the engine sends until the mail server took them: about troubles, once per incident and reader; asked for.

A letter counts as sent after it went out, not before: a mail server that is away for an hour delays it, no more.
"""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPSenderRefused

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import translation

from audiencesync.groups.accounts import asked_mails
from audiencesync.groups.letter_model import Letter
from audiencesync.groups.models import AppGroup, Membership

logger = logging.getLogger(__name__)
AT_ONCE = 100
SECONDS = 20.0
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0
GIVE_UP = timedelta(days=3)
KEEP = timedelta(days=7)

Words = tuple[str, str]  # subject and body


def write(
    key: str,
    group: AppGroup,
    readers: Iterable[Membership],
    words: Callable[[Membership], Words],
    *,
    now: datetime,
) -> int:
    """Write to each reader in their language, unless that was done before. One that still waits says what is true now."""
    written = 0
    for reader in readers:
        mine = f"{key}:{reader.user_id}"
        known = Letter.objects.filter(key=mine).values_list("due_at", flat=True).first()
        if known is None and Letter.objects.filter(key=mine).exists():
            continue
        with translation.override(reader.user.language_in(group)):
            subject, body = words(reader)
        subject = " ".join(subject.split())[:250]
        if known is not None:
            Letter.objects.filter(key=mine, due_at__isnull=False).update(subject=subject, body=body)
            continue
        fresh = Letter(
            key=mine, user=reader.user, subject=subject, body=body, created_at=now, due_at=now
        )
        Letter.objects.bulk_create([fresh], ignore_conflicts=True)
        written += 1
    return written


def is_settled(key: str) -> bool:
    """Whether all letters with such a key went out, or were given up after days."""
    return not Letter.objects.filter(key__startswith=f"{key}:", due_at__isnull=False).exists()


def exists(key: str) -> bool:
    """Whether somebody was written to about it."""
    return Letter.objects.filter(key__startswith=f"{key}:").exists()


def waiting(kind: str) -> list[str]:
    """The keys, beginning so, of letters that did not go out yet."""
    return list(
        Letter.objects.filter(key__startswith=kind, due_at__isnull=False).values_list(
            "key", flat=True
        )
    )


def forget(key: str) -> None:
    """The incident is over: another one is written about again."""
    Letter.objects.filter(key__startswith=f"{key}:").delete()


def send_due(*, now: datetime, count_failure: Callable[[], None]) -> int:
    """Send what is due, each once however many workers send; answers how many went out. Drops what is done for long."""
    Letter.objects.filter(due_at=None, created_at__lt=now - KEEP).delete()
    sent, ends_at = 0, time.monotonic() + SECONDS
    for letter in (
        Letter.objects.filter(due_at__lte=now)
        .select_related("user")
        .order_by("due_at", "pk")[:AT_ONCE]
    ):
        if time.monotonic() > ends_at:
            break
        if not _claim(letter, now=now):
            continue
        message = _message(letter)
        error = _send(message) if message else None
        if error is None:
            _settle(letter, now=now)
            sent += message is not None
            continue
        _note(letter, error, count_failure, now=now)
        if not isinstance(error, (SMTPException, ValueError)) or isinstance(
            error, SMTPSenderRefused
        ):
            break  # the server is away: it would not take the others either
    return sent


def _claim(letter: Letter, *, now: datetime) -> bool:
    """Take it; it comes back if this process dies or the mail server refuses."""
    pause = min(FIRST_PAUSE * 2 ** min(letter.tries, 10), LONGEST_PAUSE)
    mine = Letter.objects.filter(pk=letter.pk, due_at=letter.due_at)
    return bool(mine.update(due_at=now + timedelta(seconds=pause), tries=letter.tries + 1))


def _message(letter: Letter) -> EmailMessage | None:
    """None: it was asked for an address that has no account."""
    if letter.kind:
        return asked_mails.message(letter)
    return EmailMessage(letter.subject, letter.body, to=[letter.user.email] if letter.user else [])


def _send(message: EmailMessage) -> Exception | None:
    try:
        message.send()
    except Exception as error:  # noqa: BLE001 - a backend of the operator may raise anything
        return error
    return None


def _settle(letter: Letter, *, now: datetime) -> None:
    """It went out, or nobody is there to read it. Who asked several times meanwhile gets one mail."""
    if letter.kind:
        asked_mails.asked(letter.kind, letter.address).filter(created_at__lte=now).delete()
    else:
        Letter.objects.filter(pk=letter.pk).update(sent_at=now, due_at=None, subject="", body="")


def _note(
    letter: Letter, error: Exception, count_failure: Callable[[], None], *, now: datetime
) -> None:
    is_over = letter.created_at < now - GIVE_UP
    with transaction.atomic():
        count_failure()
        if is_over:
            _give_up(letter)
    logger.error(  # the words of the error repeat the address
        "A mail (%s) could not be sent (%s); %s.",
        letter.key,
        type(error).__name__,
        "given up after three days" if is_over else "it is tried again",
    )


def _give_up(letter: Letter) -> None:
    if letter.kind:
        Letter.objects.filter(pk=letter.pk).delete()
    else:
        Letter.objects.filter(pk=letter.pk).update(due_at=None, subject="", body="")


def link(path: str) -> str:
    """An address of this installation."""
    return f"{settings.SITE_URL}{path}"
