"""Conditions on events and purchases, as queries over profiles.

Each is a correlated look-up of one person's events by name and time. An event counts by its time
``at``, not by its arrival: a back-dated event may be long ago, and an event with a time in the
future is not within the last days.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import and_

from django.db.models import Exists, OuterRef, Q

from audiencesync.people.models import Event
from audiencesync.people.segments import conditions_sql
from audiencesync.people.segments.nodes import TIMED_FIRST_LAST, EventCondition


def query(node: EventCondition, now: datetime, app_group: int | None = None) -> Q:
    """Return the query of a condition on events.

    With the ``app_group``, the database can also read all events of a name at once, where that is
    cheaper than to look them up for each person.
    """
    group_q = Q(app_group=app_group) if app_group is not None else Q()
    if node.op in TIMED_FIRST_LAST:
        return _first_or_last_q(node, group_q, now)
    period_q = group_q
    if node.days is not None:
        period_q = group_q & Q(at__gte=now - timedelta(days=node.days), at__lte=now)
    if node.op == "never":
        return ~_happened_q(node, period_q, now)
    if node.op == "at_least":
        return _happened_q(node, period_q, now, times=node.n)
    at_most = ~_happened_q(node, period_q, now, times=node.n + 1)
    if node.op == "at_most" or node.n == 0:
        return at_most
    return _happened_q(node, period_q, now, times=node.n) & at_most


def _happened_q(node: EventCondition, period_q: Q, now: datetime, *, times: int = 1) -> Q:
    """Return the condition that a person has ``times`` events or more: that many can be found."""
    events = Event.objects.filter(period_q, of_event(node, now), profile=OuterRef("pk")).order_by()
    return Q(Exists(events if times == 1 else events[times - 1 : times]))


def of_event(node: EventCondition, now: datetime) -> Q:
    """Return the condition on events: kind, name and properties."""
    parts = [conditions_sql.of_property(node.kind, part, now) for part in node.where]
    kind_q = Q(kind=node.kind, name=node.name) if node.name else Q(kind=node.kind)
    return reduce(and_, parts, kind_q)


def _first_or_last_q(node: EventCondition, group_q: Q, now: datetime) -> Q:
    """Compare the first or last time with a day, or with a number of days ago."""
    if node.days is not None:
        before = after = now - timedelta(days=node.days)
    else:  # the day itself is neither before nor after it
        before = datetime.fromisoformat(node.day).replace(tzinfo=UTC)
        after = before + timedelta(days=1)
    earlier, later = group_q & Q(at__lt=before), group_q & Q(at__gte=after)
    if node.op == "first_before":
        return _happened_q(node, earlier, now)
    if node.op == "last_after":
        return _happened_q(node, later, now)
    if node.op == "first_after":
        return _happened_q(node, later, now) & ~_happened_q(node, group_q & Q(at__lt=after), now)
    return _happened_q(node, earlier, now) & ~_happened_q(node, group_q & Q(at__gte=before), now)
