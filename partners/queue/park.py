"""Park a connection, ad account or audience: the circuit breaker of the queue.

No request is sent through a parked row until its next probe, a single request that tries it. While
an admin changes the account of a connection (a swap), nothing is sent through it at all, and no
retry window runs.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from audiencesync.core.beat import wake
from audiencesync.groups.models import User
from partners.base import MAX_CODE
from partners.incidents import reconcile
from partners.models import AdAccount, Audience, Batch, Connection, ParkedBy
from partners.models.batch_queries import CLOCK_SKEW

TASK = "partners.queue.flush.beat"
MAX_SWAP = timedelta(minutes=20)
"""A swap ends by itself this long after the admin confirmed it or came back from the partner."""
MAX_SWAP_CHECK = timedelta(minutes=2)
"""The longest time from the choice of ad accounts until they are checked."""
NOT_PARKED = {"parked_until": None, "parked_by": "", "parked_code": "", "parked_since": None}


def park_connection(connection: Connection, code: str | None, now: datetime) -> bool:
    """Park after the partner refused the token. Return False if the token was replaced since."""
    # The ciphertext tells which token was refused.
    rows = Connection.objects.filter(
        pk=connection.pk, token_sealed=connection.token_sealed
    ).exclude(token_sealed="")
    return _reconcile(_park(rows, ParkedBy.TOKEN, code, now), connection)


def park_ad_account(ad_account: AdAccount, code: str | None, now: datetime) -> bool:
    """Park after the partner refused this ad account. Return False if the row is gone."""
    rows = AdAccount.objects.filter(pk=ad_account.pk)
    return _reconcile(_park(rows, ParkedBy.AD_ACCOUNT, code, now), ad_account.connection)


def park_audience(audience: Audience, code: str | None, now: datetime) -> bool:
    """Park after the partner no longer knew this audience. Return False if the row is gone."""
    rows = Audience.objects.filter(pk=audience.pk)
    rows.filter(gone_at=None).update(gone_at=now)
    connection = audience.ad_account.connection
    return _reconcile(_park(rows, ParkedBy.AUDIENCE_GONE, code, now), connection)


def unpark(row: Connection | AdAccount | Audience) -> bool:
    """Resume sending through a row: a request succeeded. Return False if it was not parked."""
    match row:
        case Connection():
            rows = Connection.objects.filter(pk=row.pk, token_sealed=row.token_sealed)
            return _reconcile(bool(rows.exclude(parked_by="").update(**NOT_PARKED)), row)
        case AdAccount():
            parked = AdAccount.objects.filter(pk=row.pk).exclude(parked_by="")
            return _reconcile(bool(parked.update(**NOT_PARKED)), row.connection)
        case Audience():
            gone = Audience.objects.filter(pk=row.pk).exclude(parked_by="")
            is_back = bool(gone.update(**NOT_PARKED, gone_at=None))
            return is_back and _reconcile(True, row.ad_account.connection)


def _reconcile(has_changed: bool, connection: Connection) -> bool:
    """Open or end incidents if something has changed; return ``has_changed``."""
    if has_changed:
        reconcile.after_commit(connection.app_group_id)
    return has_changed


def _park(
    rows: QuerySet[Connection] | QuerySet[AdAccount] | QuerySet[Audience],
    by: ParkedBy,
    code: str | None,
    now: datetime,
) -> bool:
    """Park until the next probe; return whether there were rows.

    ``parked_since`` stays while the cause stays the same.
    """
    since = Case(
        When(parked_by=by, then=Coalesce(F("parked_since"), Value(now))), default=Value(now)
    )
    return bool(
        rows.update(
            parked_by=by,
            parked_code="" if code is None else code[:MAX_CODE],
            parked_until=now + timedelta(seconds=settings.SYNC.probe),
            parked_since=since,
        )
    )


def begin_swap(connection: Connection, *, by: User | None, now: datetime) -> bool:
    """Send nothing for a connection while its account is changed. Return whether a swap began.

    A swap that began earlier is extended. Without a token nothing happens.
    """
    connected = Connection.objects.filter(pk=connection.pk).exclude(token_sealed="")
    values = {"swap_until": now + MAX_SWAP, "swap_by": by}
    if connected.filter(swap_begun_at=None).update(swap_begun_at=now, **values):
        return True
    connected.update(**values)
    return False


def extend_swap(connection: Connection, *, now: datetime) -> None:
    """Extend a swap, if there is one: the admin is back from the partner."""
    in_swap = Connection.objects.filter(pk=connection.pk, swap_until__isnull=False)
    in_swap.update(swap_until=now + MAX_SWAP)


def end_swap(connection_id: int, *, now: datetime) -> bool:
    """Resume sending for a connection. Return False if there was no swap.

    Retry windows are extended by the time in which nothing was sent.
    """
    with transaction.atomic():
        # Lock the connection before its batches, as a disconnect does.
        in_swap = Connection.objects.select_for_update(no_key=True).filter(
            pk=connection_id, swap_until__isnull=False
        )
        row = in_swap.first()
        if row is None or row.swap_begun_at is None or row.swap_until is None:
            return False
        duration = max(min(now, row.swap_until) - row.swap_begun_at, timedelta())
        failing = Batch.objects.pending().filter(
            ad_account__connection=connection_id, first_failed_at__isnull=False
        )
        for chunk in failing.chunks():
            Batch.objects.filter(pk__in=chunk.lock_ids()).update(
                first_failed_at=F("first_failed_at") + duration,
                deadline_at=F("deadline_at") + duration,
            )
        in_swap.update(swap_begun_at=None, swap_until=None, swap_by=None)
    wake(TASK)
    return True


def end_lapsed_swaps(*, now: datetime) -> None:
    """End the swaps that were abandoned."""
    # An end further ahead than any swap lasts was written by a wrong clock.
    lapsed = Q(swap_until__lte=now) | Q(swap_until__gt=now + MAX_SWAP + CLOCK_SKEW)
    for pk in Connection.objects.filter(lapsed).order_by("pk").values_list("pk", flat=True):
        end_swap(pk, now=now)
