"""Park a connection, ad account or audience: the circuit breaker of the queue.

No request is sent through a parked row until its next probe.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.functions import Coalesce

from partners.base import MAX_CODE
from partners.incidents import reconcile
from partners.models import AdAccount, Audience, Connection, ParkedBy

FREE = {"parked_until": None, "parked_by": "", "parked_code": "", "parked_since": None}


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
    """Open a row after a request went through. Return False if it was not parked."""
    match row:
        case Connection():
            rows = Connection.objects.filter(pk=row.pk, token_sealed=row.token_sealed)
            return _reconcile(bool(rows.exclude(parked_by="").update(**FREE)), row)
        case AdAccount():
            mine = AdAccount.objects.filter(pk=row.pk).exclude(parked_by="")
            return _reconcile(bool(mine.update(**FREE)), row.connection)
        case Audience():
            parked = Audience.objects.filter(pk=row.pk).exclude(parked_by="")
            is_back = bool(parked.update(**FREE, gone_at=None))
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
