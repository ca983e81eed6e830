"""Parking: nothing is sent through a parked row until its next probe. Plain conditional updates, safe from any process."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.functions import Coalesce

from partners.models import AdAccount, Audience, Connection, ParkedBy

FREE = {"parked_until": None, "parked_by": "", "parked_code": "", "parked_since": None}


def park_connection(connection: Connection, code: int | str | None, now: datetime) -> bool:
    """The partner refused the token. False if the row holds another token by now: somebody has reconnected."""
    rows = Connection.objects.filter(
        pk=connection.pk, token_sealed=connection.token_sealed
    ).exclude(token_sealed="")
    return _park(rows, ParkedBy.TOKEN, code, now)


def park_ad_account(
    ad_account: AdAccount,
    code: int | str | None,
    now: datetime,
    *,
    by: ParkedBy = ParkedBy.AD_ACCOUNT,
    until: datetime | None = None,
) -> bool:
    """The partner refused this ad account, or (``by=THROTTLED``) asked to slow down in it."""
    return _park(AdAccount.objects.filter(pk=ad_account.pk), by, code, now, until=until)


def park_audience(audience: Audience, code: int | str | None, now: datetime) -> bool:
    """The partner no longer knows this audience."""
    rows = Audience.objects.filter(pk=audience.pk)
    rows.filter(gone_at=None).update(gone_at=now)
    return _park(rows, ParkedBy.AUDIENCE_GONE, code, now)


def unpark(row: Connection | AdAccount | Audience) -> bool:
    """Something went through: the trouble is over. False if the row was not parked."""
    match row:
        case Connection():
            rows = Connection.objects.filter(pk=row.pk, token_sealed=row.token_sealed)
            return bool(rows.exclude(parked_by="").update(**FREE))
        case AdAccount():
            return bool(AdAccount.objects.filter(pk=row.pk).exclude(parked_by="").update(**FREE))
        case Audience():
            return bool(
                Audience.objects.filter(pk=row.pk)
                .exclude(parked_by="")
                .update(**FREE, gone_at=None)
            )


def _park(
    rows: QuerySet[Connection] | QuerySet[AdAccount] | QuerySet[Audience],
    by: ParkedBy,
    code: int | str | None,
    now: datetime,
    *,
    until: datetime | None = None,
) -> bool:
    """Park until the next probe; the moment the same trouble began is kept."""
    since = Case(
        When(parked_by=by, then=Coalesce(F("parked_since"), Value(now))), default=Value(now)
    )
    return bool(
        rows.update(
            parked_by=by,
            parked_code="" if code is None else str(code)[:12],
            parked_until=until or now + timedelta(seconds=settings.SYNC["probe"]),
            parked_since=since,
        )
    )
