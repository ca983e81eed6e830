"""Mark changed profiles for live segments, and write signals of events for their subscriptions.

A mark is a row of ChangedProfile: segments/live.py compares the profile with its live segments.
Every writer of profiles or events calls ``note`` in its own transaction, so that a change and its
mark are committed together.
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
"""A fingerprint that equals no computed one: the next comparison finds changed identifiers."""
_SubscriptionRow = tuple[int, int, str, str]  # id, listener, kind, name


def note(app_group_id: int, profiles: Iterable[int], events: Sequence[Event] = ()) -> None:
    """Mark ``profiles`` as changed, and write signals of ``events``, which are already saved.

    In a group without an active subscription this costs one query.
    """
    subscriptions = _subscriptions(app_group_id)
    if not subscriptions:
        return
    if any(kind == Subscription.Kind.SEGMENT for _pk, _listener, kind, _name in subscriptions):
        _mark(app_group_id, {*profiles, *(event.profile_id for event in events)})
    if events:
        _signal(subscriptions, events)


def hand_over(app_group_id: int, visitor: int, *, to: int) -> None:
    """Reassign members and signals of a merged profile, and mark both, in the same transaction.

    The person (``to``) takes the visitor's place in the segments, also in paused subscriptions. If
    the next comparison finds that the person leaves, the identifiers sent for the visitor are
    removed from audiences as well.
    """
    locked = Subscription.objects.select_for_update(no_key=True).order_by("pk")
    listeners = dict(locked.filter(app_group=app_group_id).values_list("pk", "listener"))
    if not listeners:
        return
    members = SegmentMember.objects.filter(subscription__in=listeners)
    pairs = members.filter(profile__in=[visitor, to]).values_list("profile", "subscription")
    person_subscriptions = {pk for profile, pk in pairs if profile == to}
    shared = {pk for profile, pk in pairs if profile == visitor} & person_subscriptions
    visitor_only = {pk for profile, pk in pairs if profile == visitor} - person_subscriptions
    # Where both were members, the visitor's identifiers must be removed even if the person stays.
    # MERGED causes that. Where the fingerprint is empty, nothing was sent.
    sent_members = members.filter(profile=to, subscription__in=shared).exclude(fingerprint="")
    sent_members.update(fingerprint=MERGED)
    members.filter(profile=visitor, subscription__in=visitor_only).update(profile=to)
    members.filter(profile=visitor).delete()
    signals = Signal.objects.filter(listener__in=set(listeners.values()))
    membership_signals = signals.exclude(kind__in=Signal.OF_EVENTS)
    membership_signals.filter(profile=visitor, subscription__in=person_subscriptions).delete()
    # If signals about the person wait, the last one must be "joined", as the person is a member.
    still_signalled = membership_signals.filter(
        profile=to, subscription__in=visitor_only
    ).values_list("subscription")
    Signal.objects.bulk_create(
        Signal(
            listener=listeners[pk],
            subscription_id=pk,
            profile_id=to,
            kind=Signal.Kind.JOINED,
            at=timezone.now(),
        )
        for (pk,) in sorted(set(still_signalled))
    )
    signals.filter(profile=visitor).update(profile=to)
    note(app_group_id, [visitor, to])


def has_live_segments(app_group_id: int) -> bool:
    """Return whether changes of the group's profiles must be marked."""
    kinds = {kind for _pk, _listener, kind, _name in _subscriptions(app_group_id)}
    return str(Subscription.Kind.SEGMENT) in kinds


def mark_sql(profile_ids: str) -> str:
    """Return the INSERT that marks profiles; its first parameter is the id of their group.

    ``profile_ids``: SQL that follows SELECT, such as "id FROM made".
    """
    return _MARK.format(profile_ids)


def _subscriptions(app_group_id: int) -> list[_SubscriptionRow]:
    with connection.cursor() as cursor:
        cursor.execute(_SUBSCRIPTIONS, [app_group_id])
        return list(cursor.fetchall())


def _mark(app_group_id: int, profiles: set[int]) -> None:
    if not profiles:
        return
    profile_ids: Any = sorted(profiles)
    is_postgresql = connection.vendor == "postgresql"
    source = "unnest(%s::bigint[])" if is_postgresql else "value FROM json_each(%s)"
    with connection.cursor() as cursor:
        cursor.execute(
            mark_sql(source),
            [app_group_id, profile_ids if is_postgresql else json.dumps(profile_ids)],
        )


def _signal(subscriptions: Sequence[_SubscriptionRow], events: Sequence[Event]) -> None:
    """Write a signal for each event and each subscription to it, in the order of the events."""
    by_event: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for pk, listener, kind, name in subscriptions:
        by_event.setdefault((kind, name), []).append((pk, listener))
    any_purchase = by_event.get((Subscription.Kind.PURCHASE, ""), [])
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
            *by_event.get((event.kind, event.name), []),
            *(any_purchase if event.kind == Event.Kind.PURCHASE else []),
        ]
    )
