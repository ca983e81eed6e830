"""Tokens that the TOKEN_KEYS of this machine do not open: left to machines that open them, and said aloud.

Nothing is parked for the others. Whom no machine can send ends at the deadline like everybody, some minutes later, so
that a machine with the right keys comes first.
"""

import logging
import socket
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q, QuerySet
from redis import RedisError

from partners.models import Batch, Connection, Outcome, Sync
from partners.queue import collect, settle

logger = logging.getLogger(__name__)
CODE = "sealed"
SAID_EVERY = 60
OTHERS_FIRST = 60.0
"""Seconds in which a machine with the right keys would have sent what another one could not."""


def shut_here(lanes: Iterable[str], *, now: datetime) -> set[int]:
    """The connections behind these lanes whose tokens do not open here. Marks who waits for them, and logs it."""
    used = (
        Connection.objects.exclude(token_sealed="")
        .filter(ad_accounts__remote_id__in=list(lanes))
        .distinct()
    )
    shut = {connection.pk for connection in used if not connection.opens_here}
    for pk in sorted(shut):
        complain(pk)
        _mark(pk, now=now)
    return shut


def complain(connection_id: int) -> None:
    """One line of the log a minute: which machine, which connection, what to do."""
    machine = socket.gethostname()
    if not _is_time(f"sealed:{machine}:{connection_id}"):
        return
    logger.error(
        "TOKEN_KEYS of the machine %s do not open the token of connection %s: it sends nothing of it. Add the key that "
        "sealed it (docs/operations.md, Rotate TOKEN_KEYS).",
        machine,
        connection_id,
    )


def _is_time(key: str) -> bool:
    """Whether nobody on this machine said it within the last minute. Without the cache: yes."""
    try:
        return cache.add(key, "1", SAID_EVERY)
    except RedisError:
        return True


def _mark(connection_id: int, *, now: datetime) -> None:
    """Their time runs from now on, and pages can say why they wait; a machine that sends them forgets the mark."""
    waiting = Batch.objects.filter(
        state=Outcome.PENDING, lease="", ad_account__connection=connection_id
    )
    for some in collect.stretches(waiting.exclude(collect.PAUSED).exclude(last_code=CODE)):
        with transaction.atomic():
            mine = Batch.objects.filter(
                pk__in=collect.in_order(some), state=Outcome.PENDING, lease=""
            )
            mine.update(last_code=CODE)
            for purpose in Sync.Purpose.values:
                fresh = mine.filter(sync__purpose=purpose, first_failed_at=None)
                fresh.update(first_failed_at=now, deadline_at=now + settle.patience(purpose))


def stuck(*, now: datetime) -> "QuerySet[Batch]":
    """Batches of people who wait because no machine that looked at them for a minute could open the token."""
    waiting = Batch.objects.filter(state=Outcome.PENDING, last_code=CODE, n__gt=0).exclude(
        collect.PAUSED
    )
    return waiting.filter(first_failed_at__lte=now - timedelta(seconds=OTHERS_FIRST))


def hopeless(*, now: datetime) -> Q:
    """Whose time is over although any machine with the right keys had some minutes for a last try."""
    return Q(last_code=CODE, deadline_at__lte=now - timedelta(seconds=settings.SYNC["probe"]))
