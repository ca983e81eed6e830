"""Send due mails (groups/outbox.py) as a periodic job; count those that the server refused."""

from datetime import datetime
from functools import partial

from django.utils import timezone

from audiencesync.core.beat import exclusive
from audiencesync.groups import outbox
from partners.models import Count

MAX_TURN = 90.0  # seconds; then another worker may send


def beat() -> None:
    """Send due mails. One worker does so: a hanging mail server must not block all workers."""
    with exclusive("letters", MAX_TURN) as is_mine:  # former releases call mails "letters"
        if is_mine:
            send_due(now=timezone.now())


def send_due(*, now: datetime) -> int:
    """Send due mails. Return how many were sent."""
    return outbox.send_due(now=now, count_failure=partial(Count.add, Count.MAILS_FAILED, 1))
