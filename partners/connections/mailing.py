"""Sends letters (groups/outbox.py) by the clock, and counts what the mail server did not take."""

from datetime import datetime
from functools import partial

from django.utils import timezone

from audiencesync.core import beat as clock
from audiencesync.groups import outbox
from partners.models import Count

LONGEST_TURN = 90.0  # seconds after which another worker takes over


def beat() -> None:
    """One worker at a time: a mail server that hangs must not hold them all."""
    with clock.exclusive("letters", LONGEST_TURN) as is_mine:
        if is_mine:
            send_due(now=timezone.now())


def send_due(*, now: datetime) -> int:
    """Send what is due; answers how many went out."""
    return outbox.send_due(now=now, count_failure=partial(Count.add, Count.MAILS_FAILED, 1))
