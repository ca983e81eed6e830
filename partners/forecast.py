"""Forecast what would be sent if people entered a Sync now, by the rules of the queue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from audiencesync.core.database.subquery import sql_of
from audiencesync.people.models import Profile
from partners.base import Call, Cells
from partners.models import Reason, Sync
from partners.queue import push
from partners.queue.enqueue import reason_sql, usable_sql

SENT = "sent"
# The profile is "q", as in the SQL of queue/enqueue.py.
# A reason is NULL for people who would be sent.
_COUNT_BY_REASON = """
SELECT reason, count(*){sums} FROM (
    SELECT {reason} AS reason{columns} FROM ({people}) people JOIN {profile} q ON q.id = people.id
) judged GROUP BY reason
"""
_SELECT_REASON = "SELECT {reason} FROM {profile} q WHERE q.id = %s"
_SELECT_PEOPLE = """
SELECT q.id FROM ({people}) people JOIN {profile} q ON q.id = people.id
WHERE ({reason}) {reason_test} ORDER BY q.id LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Forecast:
    """How many people would be sent. ``not_sent``: Reason -> how many would not be.

    ``by_kind``: kind of identifier -> how many of the sent people have it.
    """

    sent: int
    not_sent: dict[str, int]
    by_kind: dict[str, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return words such as: 674 people will be sent, 86 not: 30 without consent, 56 ..."""
        sent = ngettext(
            "%(n)s person will be sent", "%(n)s people will be sent", self.sent
        ) % _n_params(self.sent)
        n_not_sent = sum(self.not_sent.values())
        if not n_not_sent:
            return gettext("%(sent)s.") % {"sent": sent}
        unusable = (Reason.NO_IDENTIFIER, Reason.INVALID_VALUE)
        n_unusable = sum(self.not_sent.get(reason, 0) for reason in unusable)
        reasons = [
            (self.not_sent.get(Reason.NO_CONSENT, 0), gettext("%(n)s without consent")),
            (n_unusable, gettext("%(n)s without a usable field")),
            (
                self.not_sent.get(Reason.AD_TRACKING_OFF, 0),
                gettext("%(n)s with ad tracking switched off"),
            ),
            (self.not_sent.get(Reason.ERASED, 0), gettext("%(n)s erased")),
        ]
        why = ", ".join(label % _n_params(n) for n, label in reasons if n)
        return gettext("%(sent)s, %(held)s not: %(why)s.") % {
            "sent": sent,
            "held": number_format(n_not_sent),
            "why": why,
        }


def _n_params(n: int) -> dict[str, str]:
    return {"n": number_format(n)}


def forecast(people: QuerySet[Profile, Any], sync: Sync) -> Forecast:
    """Count ``people`` as they are now, in one query that returns no profiles."""
    people_sql, params = sql_of(people.order_by().values("id"))
    usable_flags = [
        f"CASE WHEN {usable_sql(kind, sync.action)} THEN 1 ELSE 0 END" for kind in sync.kinds
    ]
    count_sql = _COUNT_BY_REASON.format(
        reason=_reason_sql(sync),
        columns="".join(f", {flag} AS is_usable_{n}" for n, flag in enumerate(usable_flags)),
        sums="".join(f", sum(is_usable_{n})" for n in range(len(usable_flags))),
        people=people_sql,
        profile=Profile._meta.db_table,
    )
    with connection.cursor() as cursor:
        cursor.execute(count_sql, params)
        rows = {reason: (n, by_kind) for reason, n, *by_kind in cursor.fetchall()}
    sent, by_kind = rows.pop(None, (0, [0] * len(sync.kinds)))
    not_sent = {reason: n for reason, (n, _by_kind) in rows.items()}
    return Forecast(sent, not_sent, dict(zip(sync.kinds, by_kind, strict=True)))


def first_people(
    people: QuerySet[Profile, Any], sync: Sync, selector: str, *, limit: int
) -> list[Profile]:
    """Return the first people behind one number of the forecast.

    ``selector``: SENT, a kind of identifier, or a Reason. Any other selector gives no one.
    """
    if selector not in (SENT, *sync.kinds, *Reason.values):
        return []
    people_sql, params = sql_of(people.order_by().values("id"))
    if selector == SENT or selector in sync.kinds:
        has_kind = f" AND {usable_sql(selector, sync.action)}" if selector in sync.kinds else ""
        reason_test, test_params = f"IS NULL{has_kind}", []
    else:
        reason_test, test_params = "= %s", [selector]
    select = _SELECT_PEOPLE.format(
        people=people_sql,
        profile=Profile._meta.db_table,
        reason=_reason_sql(sync),
        reason_test=reason_test,
    )
    with connection.cursor() as cursor:
        cursor.execute(select, [*params, *test_params, limit])
        ids = [pk for (pk,) in cursor.fetchall()]
    return list(Profile.objects.filter(pk__in=ids).order_by("pk"))


@dataclass(frozen=True, slots=True)
class Sending:
    """What would be sent for one person who entered a Sync.

    ``reason``: why nothing would be sent; then there is no ``call``. ``kinds``: the kinds of
    identifiers in the call.
    """

    reason: Reason | None
    call: Call | None = field(default=None, repr=False)
    kinds: tuple[str, ...] = ()


class OnePerson:
    """What would be sent for one profile that entered Syncs. Nothing is written or sent."""

    def __init__(self, profile: int) -> None:
        self.profile = profile
        self._cache: dict[tuple[str, ...], tuple[Reason | None, list[push.Row]]] = {}

    def entering(self, sync: Sync) -> Sending:
        """Return the request that would be sent if no one else entered the Sync, or why none is."""
        reason, rows = self._rows(sync)
        if reason is not None:
            return Sending(reason)
        cells = [Cells((sync.audience.remote_id,), rows)]
        call = push.call_for(sync.audience.ad_account, sync.action, sync.kinds, cells)
        columns = zip(sync.kinds, zip(*rows, strict=True), strict=True)
        kinds = tuple(kind for kind, column in columns if any(column))
        return Sending(None, call, kinds)

    def _rows(self, sync: Sync) -> tuple[Reason | None, list[push.Row]]:
        """Return the reason or the rows; read once for all Syncs with the same action and kinds."""
        key = (sync.action, *sync.kinds)
        if key not in self._cache:
            reason = self._reason(sync)
            rows = [] if reason is not None else push.rows_of_one(sync, self.profile)
            self._cache[key] = reason, rows
        return self._cache[key]

    def _reason(self, sync: Sync) -> Reason | None:
        sql = _SELECT_REASON.format(reason=_reason_sql(sync), profile=Profile._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(sql, [self.profile])
            row = cursor.fetchone()
        if row is None:
            return Reason.ERASED
        return None if row[0] is None else Reason(row[0])


def _reason_sql(sync: Sync) -> str:
    """Return the SQL expression of the reason why a profile ``q`` is not sent; NULL if it is."""
    return reason_sql(sync.action, sync.kinds, is_strict=sync.app_group.consent_required)
