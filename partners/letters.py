"""Mails about troubles: written once per incident and reader, sent until the mail server took them.

A letter counts as sent after it went out, not before: a mail server that is away for an hour delays it, no more.
"""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPSenderRefused

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Q
from django.utils import translation

from audiencesync.groups.models import AppGroup, Membership
from partners.models import Count, Letter

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
        fresh = Letter(key=mine, user=reader.user, subject=subject, body=body, created_at=now, due_at=now)
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
    return list(Letter.objects.filter(key__startswith=kind, due_at__isnull=False).values_list("key", flat=True))


def forget(key: str) -> None:
    """The incident is over: another one is written about again."""
    Letter.objects.filter(key__startswith=f"{key}:").delete()


def send_due(*, now: datetime) -> int:
    """Send what is due, each once however many workers send; answers how many went out. Drops what is done for long."""
    Letter.objects.filter(due_at=None, created_at__lt=now - KEEP).delete()
    sent, ends_at = 0, time.monotonic() + SECONDS
    for letter in Letter.objects.filter(due_at__lte=now).select_related("user").order_by("due_at", "pk")[:AT_ONCE]:
        if time.monotonic() > ends_at:
            break
        if not _claim(letter, now=now):
            continue
        error = _send(letter)
        if error is None:
            Letter.objects.filter(pk=letter.pk).update(sent_at=now, due_at=None, subject="", body="")
            sent += 1
            continue
        _note(letter, error, now=now)
        if not isinstance(error, SMTPException) or isinstance(error, SMTPSenderRefused):
            break  # the server is away: it would not take the others either
    return sent


def _claim(letter: Letter, *, now: datetime) -> bool:
    """Take it; it comes back if this process dies or the mail server refuses."""
    pause = min(FIRST_PAUSE * 2 ** min(letter.tries, 10), LONGEST_PAUSE)
    mine = Letter.objects.filter(pk=letter.pk, due_at=letter.due_at)
    return bool(mine.update(due_at=now + timedelta(seconds=pause), tries=letter.tries + 1))


def _send(letter: Letter) -> Exception | None:
    try:
        send_mail(letter.subject, letter.body, None, [letter.user.email])
    except (OSError, SMTPException) as error:
        return error
    return None


def _note(letter: Letter, error: Exception, *, now: datetime) -> None:
    with transaction.atomic():
        Count.add(Count.MAILS_FAILED, 1)
        old = Letter.objects.filter(Q(created_at__lt=now - GIVE_UP), pk=letter.pk)
        is_over = old.update(due_at=None, subject="", body="")
    logger.error(  # the words of the error repeat the address
        "A mail (%s) could not be sent (%s); %s.",
        letter.key,
        type(error).__name__,
        "given up after three days" if is_over else "it is tried again",
    )


def link(path: str) -> str:
    """An address of this installation."""
    return f"{settings.SITE_URL}{path}"
