"""Count how many people would be sent if they entered a Sync now, by `enqueue.reason_sql`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from audiencesync.people.models import Profile
from partners.models import Reason, Sync
from partners.queue.enqueue import reason_sql

_COUNT = """
SELECT reason, count(*) FROM (
    SELECT {reason} AS reason FROM ({people}) people JOIN {profile} q ON q.id = people.id
) judged GROUP BY reason
"""


@dataclass(frozen=True, slots=True)
class Forecast:
    """How many people would be sent, and how many not, by Reason."""

    sent: int
    held: dict[str, int]

    @property
    def text(self) -> str:
        """For example: 674 people will be sent, 86 not: 30 without consent, 56 without a field."""
        sent = ngettext("%(n)s person will be sent", "%(n)s people will be sent", self.sent) % _n(
            self.sent
        )
        held = sum(self.held.values())
        if not held:
            return gettext("%(sent)s.") % {"sent": sent}
        unusable = self.held.get(Reason.NO_IDENTIFIER, 0) + self.held.get(Reason.INVALID_VALUE, 0)
        counted = [
            (self.held.get(Reason.NO_CONSENT, 0), gettext("%(n)s without consent")),
            (unusable, gettext("%(n)s without a usable field")),
            (
                self.held.get(Reason.AD_TRACKING_OFF, 0),
                gettext("%(n)s with ad tracking switched off"),
            ),
            (self.held.get(Reason.ERASED, 0), gettext("%(n)s erased")),
        ]
        why = ", ".join(words % _n(n) for n, words in counted if n)
        return gettext("%(sent)s, %(held)s not: %(why)s.") % {
            "sent": sent,
            "held": number_format(held),
            "why": why,
        }


def _n(n: int) -> dict[str, str]:
    return {"n": number_format(n)}


def forecast(people: QuerySet[Profile, Any], sync: Sync) -> Forecast:
    """Count ``people`` as they are now, in one query that returns no profiles."""
    sql, params = people.order_by().values("id").query.sql_with_params()
    reason = reason_sql(sync.action, sync.kinds, is_strict=sync.app_group.consent_required)
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT.format(reason=reason, people=sql, profile=Profile._meta.db_table), params
        )
        found = dict(cursor.fetchall())
    return Forecast(sent=found.pop(None, 0), held=found)
