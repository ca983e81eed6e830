"""Park a connection, ad account or audience: the circuit breaker of the queue.

No request is sent through a parked row until its next probe. While an admin changes the account of
a connection (a swap), nothing is sent through it at all, and no retry window runs.
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
SWAP = timedelta(minutes=20)
"""A swap ends by itself so long after its last step: confirmed, or back from the partner."""
SWAP_CHECK = timedelta(minutes=2)
"""The longest time from the choice of ad accounts until they are checked."""
NOT_PARKED = {"parked_until": None, "parked_by": "", "parked_code": "", "parked_since": None}


def park_connection(connection: Connection, code: str | None, now: datetime) -> bool:
    """Park after the partner refused the token. Return False if it was replaced meanwhile."""
    rows = Connection.objects.filter(
        pk=connection.pk, token_sealed=connection.token_sealed
    ).exclude(token_sealed="")
    return _reconcile(_park(rows, ParkedBy.TOKEN, code, now), connection)


def park_ad_account(ad_account: AdAccount, code: str | None, now: datetime) -> bool:
    """Park after the partner refused this ad account."""
    rows = AdAccount.objects.filter(pk=ad_account.pk)
    return _reconcile(_park(rows, ParkedBy.AD_ACCOUNT, code, now), ad_account.connection)


def park_audience(audience: Audience, code: str | None, now: datetime) -> bool:
    """Park after the partner no longer knew this audience."""
    rows = Audience.objects.filter(pk=audience.pk)
    rows.filter(gone_at=None).update(gone_at=now)
    connection = audience.ad_account.connection
    return _reconcile(_park(rows, ParkedBy.AUDIENCE_GONE, code, now), connection)


def unpark(row: Connection | AdAccount | Audience) -> bool:
    """Send through a row again, after a request succeeded. Return False if it was not parked."""
    match row:
        case Connection():
            rows = Connection.objects.filter(pk=row.pk, token_sealed=row.token_sealed)
            return _reconcile(bool(rows.exclude(parked_by="").update(**NOT_PARKED)), row)
        case AdAccount():
            mine = AdAccount.objects.filter(pk=row.pk).exclude(parked_by="")
            return _reconcile(bool(mine.update(**NOT_PARKED)), row.connection)
        case Audience():
            parked = Audience.objects.filter(pk=row.pk).exclude(parked_by="")
            is_back = bool(parked.update(**NOT_PARKED, gone_at=None))
            return is_back and _reconcile(True, row.ad_account.connection)


def _reconcile(has_changed: bool, connection: Connection) -> bool:
    """Open or end incidents if something has changed; return whether it has."""
    if has_changed:
        reconcile.soon(connection.app_group_id)
    return has_changed


def _park(
    rows: QuerySet[Connection] | QuerySet[AdAccount] | QuerySet[Audience],
    by: ParkedBy,
    code: str | None,
    now: datetime,
) -> bool:
    """Park until the next probe. ``parked_since`` stays while the cause stays the same."""
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
    """Hold the queue of a connection while its account is changed; return False if it was held."""
    mine = Connection.objects.filter(pk=connection.pk).exclude(token_sealed="")
    swap = {"swap_until": now + SWAP, "swap_by": by}
    if mine.filter(swap_begun_at=None).update(swap_begun_at=now, **swap):
        return True
    mine.update(**swap)
    return False


def extend_swap(connection: Connection, *, now: datetime) -> None:
    """Hold the queue for longer: the admin is back from the partner. Not if it was not held."""
    held = Connection.objects.filter(pk=connection.pk, swap_until__isnull=False)
    held.update(swap_until=now + SWAP)


def end_swap(connection_id: int, *, now: datetime) -> bool:
    """Let the queue of a connection go on. Return False if it was not held.

    Retry windows are longer by the time in which nothing was sent.
    """
    with transaction.atomic():
        # Connections before batches, as a disconnect locks them.
        held = Connection.objects.select_for_update(no_key=True).filter(
            pk=connection_id, swap_until__isnull=False
        )
        row = held.first()
        if row is None or row.swap_begun_at is None or row.swap_until is None:
            return False
        took = max(min(now, row.swap_until) - row.swap_begun_at, timedelta())
        begun = Batch.objects.pending().filter(
            ad_account__connection=connection_id, first_failed_at__isnull=False
        )
        for some in begun.chunks():
            Batch.objects.filter(pk__in=some.lock()).update(
                first_failed_at=F("first_failed_at") + took, deadline_at=F("deadline_at") + took
            )
        held.update(swap_begun_at=None, swap_until=None, swap_by=None)
    wake(TASK)
    return True


def end_lapsed_swaps(*, now: datetime) -> None:
    """End the swaps that were abandoned."""
    # A later end than any that is planned was written by a wrong clock.
    lapsed = Q(swap_until__lte=now) | Q(swap_until__gt=now + SWAP + CLOCK_SKEW)
    for pk in Connection.objects.filter(lapsed).order_by("pk").values_list("pk", flat=True):
        end_swap(pk, now=now)
