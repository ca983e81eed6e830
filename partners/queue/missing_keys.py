"""Tokens that this machine cannot decrypt with its TOKEN_KEYS, while other machines may.

So they are logged and nothing is parked: a machine with the right key sends. If there is none, the
people are errored some minutes after their deadline.
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
LOG_EVERY = 60  # seconds


def find_connections(lanes: Iterable[str], *, now: datetime) -> set[int]:
    """Return the connections of these lanes with a token that this machine cannot decrypt.

    Log them and mark their batches.
    """
    pairs = [lane.split(":", 1) for lane in lanes]
    connections = (
        Connection.objects.exclude(token_sealed="")
        .filter(
            partner__in={partner for partner, _ in pairs},
            ad_accounts__remote_id__in=[remote_id for _, remote_id in pairs],
        )
        .distinct()
    )
    undecryptable = {row.pk for row in connections if not row.opens_here}
    for pk in sorted(undecryptable):
        log_missing_key(pk)
        _mark_batches(pk, now=now)
    return undecryptable


def log_missing_key(connection_id: int) -> None:
    """Log which machine lacks the key of which connection, at most once a minute."""
    machine = socket.gethostname()
    if not _may_log(f"sealed:{machine}:{connection_id}"):
        return
    logger.error(
        "TOKEN_KEYS of the machine %s do not open the token of connection %s: it sends nothing of "
        "it. Add the key that sealed it (docs/runbooks.md, Rotate TOKEN_KEYS).",
        machine,
        connection_id,
    )


def _may_log(key: str) -> bool:
    """Return whether LOG_EVERY has passed since the line with this key was logged."""
    try:
        return cache.add(key, "1", LOG_EVERY)
    except RedisError:
        return True  # a repeated line is better than none


def _mark_batches(connection_id: int, *, now: datetime) -> None:
    """Mark why the batches wait, and start their retry window. The next answer clears the mark."""
    waiting = Batch.objects.waiting().filter(ad_account__connection=connection_id)
    for chunk in waiting.not_paused().exclude(last_code=CODE).chunks():
        with transaction.atomic():
            locked = Batch.objects.waiting().filter(pk__in=chunk.lock_ids())
            locked.update(last_code=CODE)
            transitions.start_retry_windows(locked, now=now)


def expired_q(*, now: datetime) -> Q:
    """Match marked batches so long after the deadline that other machines could have sent them."""
    return Q(last_code=CODE, deadline_at__lte=now - timedelta(seconds=settings.SYNC.probe))
