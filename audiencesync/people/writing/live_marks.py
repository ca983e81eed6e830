"""Mark profiles that changed, and signal their events, for those who subscribed to either.

Every writer of profiles or events calls ``note`` in its own transaction, so that neither a change
nor its mark can be lost alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.utils import timezone

from audiencesync.people.models import Event
from audiencesync.people.models.live import ChangedProfile, SegmentMember, Signal, Subscription

_SUBSCRIPTIONS = (
    f"SELECT id, listener, kind, name FROM {Subscription._meta.db_table}"  # noqa: S608  # own names
    " WHERE app_group_id = %s AND NOT is_paused ORDER BY id"
)
_MARK = (
    f"INSERT INTO {ChangedProfile._meta.db_table} (app_group_id, profile_id)"  # own names only
    " SELECT %s, {}"
)
MERGED = "merged"
"""The fingerprint of a member whose next comparison must find changed identifiers."""
_Heard = tuple[int, int, str, str]  # id, listener, kind, name


def note(app_group_id: int, profiles: Iterable[int], events: Sequence[Event] = ()) -> None:
    """Mark ``profiles`` as changed and signal ``events``, which are saved already.

    One query if the group has no subscription that collects.
    """
    heard = _subscriptions(app_group_id)
    if not heard:
        return
    if any(kind == Subscription.Kind.SEGMENT for _pk, _listener, kind, _name in heard):
        _mark(app_group_id, {*profiles, *(event.profile_id for event in events)})
    if events:
        _signal(heard, events)


def hand_over(app_group_id: int, visitor: int, *, to: int) -> None:
    """Reassign members and signals of a merged profile, and mark both, in the transaction of it.

    The person takes the visitor's place in the segments: the next comparison keeps it, or lets the
    person leave with what was sent for the visitor. That holds in paused subscriptions, too.
    """
    locked = Subscription.objects.select_for_update(no_key=True).order_by("pk")
    listeners = dict(locked.filter(app_group=app_group_id).values_list("pk", "listener"))
    if not listeners:
        return
    members = SegmentMember.objects.filter(subscription__in=listeners)
    pairs = members.filter(profile__in=[visitor, to]).values_list("profile", "subscription")
    known = {pk for profile, pk in pairs if profile == to}
    both = {pk for profile, pk in pairs if profile == visitor} & known
    moved = {pk for profile, pk in pairs if profile == visitor} - known
    # What was sent for the visitor has to go where the person stays: a changed fingerprint.
    sent = members.filter(profile=to, subscription__in=both).exclude(fingerprint="")
    sent.update(fingerprint=MERGED)
    members.filter(profile=visitor, subscription__in=moved).update(profile=to)
    members.filter(profile=visitor).delete()
    waiting = Signal.objects.filter(listener__in=set(listeners.values()))
    changes = waiting.exclude(kind__in=Signal.OF_EVENTS)
    changes.filter(profile=visitor, subscription__in=known).delete()
    # The last signal of a member is that it joined, whatever else still waits.
    open_still = changes.filter(profile=to, subscription__in=moved).values_list("subscription")
    Signal.objects.bulk_create(
        Signal(
            listener=listeners[pk],
            subscription_id=pk,
            profile_id=to,
            kind=Signal.Kind.JOINED,
            at=timezone.now(),
        )
        for (pk,) in sorted(set(open_still))
    )
    waiting.filter(profile=visitor).update(profile=to)
    note(app_group_id, [visitor, to])


def has_live_segments(app_group_id: int) -> bool:
    """Return whether changes of the group's profiles must be marked."""
    kinds = {kind for _pk, _listener, kind, _name in _subscriptions(app_group_id)}
    return str(Subscription.Kind.SEGMENT) in kinds


def marking(profile_ids: str) -> str:
    """Return the statement that marks the profiles of a group: its parameter.

    ``profile_ids``: an expression, and where it comes from, in SQL.
    """
    return _MARK.format(profile_ids)


def _subscriptions(app_group_id: int) -> list[_Heard]:
    with connection.cursor() as cursor:
        cursor.execute(_SUBSCRIPTIONS, [app_group_id])
        return list(cursor.fetchall())


def _mark(app_group_id: int, profiles: set[int]) -> None:
    if not profiles:
        return
    given: Any = sorted(profiles)
    is_postgresql = connection.vendor == "postgresql"
    source = "unnest(%s::bigint[])" if is_postgresql else "value FROM json_each(%s)"
    with connection.cursor() as cursor:
        cursor.execute(
            marking(source), [app_group_id, given if is_postgresql else json.dumps(given)]
        )


def _signal(heard: Sequence[_Heard], events: Sequence[Event]) -> None:
    """Write a signal for each event and each subscription to it, in the order of the events."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for pk, listener, kind, name in heard:
        found.setdefault((kind, name), []).append((pk, listener))
    any_purchase = found.get((Subscription.Kind.PURCHASE, ""), [])
    Signal.objects.bulk_create(
        Signal(
            listener=listener,
            subscription_id=pk,
            profile_id=event.profile_id,
            kind=event.kind,
            event_id=event.pk,
            at=event.at,
        )
        for event in events
        for pk, listener in [
            *found.get((event.kind, event.name), []),
            *(any_purchase if event.kind == Event.Kind.PURCHASE else []),
        ]
    )
