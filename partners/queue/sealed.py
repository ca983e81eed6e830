"""Tokens that the TOKEN_KEYS of this machine do not open: leave them to other machines, and log it.

Nothing is parked, so a machine with the right keys goes on. If there is none, the people end at
their deadline, some minutes later than all others.
"""

import logging
import socket
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from redis import RedisError

from partners.models import Batch, Connection
from partners.models.batch_queries import SEALED
from partners.queue import transitions

logger = logging.getLogger(__name__)
CODE = SEALED
LOG_EVERY = 60


def find_sealed(lanes: Iterable[str], *, now: datetime) -> set[int]:
    """Return connections of these lanes with tokens that do not open here; mark their batches."""
    pairs = [lane.split(":", 1) for lane in lanes]
    used = (
        Connection.objects.exclude(token_sealed="")
        .filter(
            partner__in={partner for partner, _ in pairs},
            ad_accounts__remote_id__in=[remote_id for _, remote_id in pairs],
        )
        .distinct()
    )
    sealed = {connection.pk for connection in used if not connection.opens_here}
    for pk in sorted(sealed):
        log_missing_key(pk)
        _mark(pk, now=now)
    return sealed


def log_missing_key(connection_id: int) -> None:
    """Log which machine lacks the key of which connection, at most once a minute."""
    machine = socket.gethostname()
    if not _is_time(f"sealed:{machine}:{connection_id}"):
        return
    logger.error(
        "TOKEN_KEYS of the machine %s do not open the token of connection %s: it sends nothing of "
        "it. Add the key that sealed it (docs/operations.md, Rotate TOKEN_KEYS).",
        machine,
        connection_id,
    )


def _is_time(key: str) -> bool:
    try:
        return cache.add(key, "1", LOG_EVERY)
    except RedisError:
        return True  # better one line too many


def _mark(connection_id: int, *, now: datetime) -> None:
    """Mark why the batches wait, and start their retry window. The next answer clears the mark."""
    waiting = Batch.objects.waiting().filter(ad_account__connection=connection_id)
    for some in waiting.not_paused().exclude(last_code=CODE).chunks():
        with transaction.atomic():
            mine = Batch.objects.waiting().filter(pk__in=some.lock())
            mine.update(last_code=CODE)
            transitions.start_retry_windows(mine, now=now)


def is_hopeless(*, now: datetime) -> Q:
    """Match batches past their deadline that any machine with the key had minutes to send."""
    return Q(last_code=CODE, deadline_at__lte=now - timedelta(seconds=settings.SYNC.probe))
