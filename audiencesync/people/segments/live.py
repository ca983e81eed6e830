"""Write signals for listeners: who joins and leaves a segment, and events.

A listener is a live canvas; this package only knows its number. Membership is kept for each
subscription. Changed profiles are compared within seconds; a sweep compares all profiles, and finds
what time alone changes and what no writer marked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.live import ChangedProfile, SegmentMember, Signal, Subscription
from audiencesync.people.segments import filters, live_changes
from audiencesync.people.segments.live_changes import Within
from audiencesync.people.segments.uses import references
from audiencesync.people.segments.uses.references import ReferencedSegment

logger = logging.getLogger(__name__)
CHUNK = 10_000  # changed profiles, or rows to write, of one transaction
SWEPT = 50_000  # profiles of one part of a sweep
HIGHEST_ID = 2**63 - 1
WRITER_TIMEOUT = timedelta(minutes=5)  # no transaction of a writer is open longer
# Between two sweeps: of filters that time alone changes, and of the others.
TIMED_INTERVAL, DAILY_INTERVAL = timedelta(minutes=15), timedelta(days=1)
Kind = Subscription.Kind


def subscribe(
    app_group: AppGroup,
    *,
    listener: int,
    role: str,
    segment: Segment | None = None,
    kind: str = Kind.SEGMENT,
    name: str = "",
    kinds: Sequence[str] = (),
    is_leave_only: bool = False,
    now: datetime,
) -> Subscription:
    """Return the listener's subscription, and create it if there is none like it.

    ``kinds``: identifiers whose change is signalled, too; if they differ from before, the next
    sweep refreshes every member.
    """
    with transaction.atomic():
        subscription, is_new = Subscription.objects.get_or_create(
            listener=listener,
            role=role,
            kind=kind,
            name=name,
            segment=segment,
            defaults={
                "app_group": app_group,
                "kinds": list(kinds),
                "is_leave_only": is_leave_only,
                "collecting_since": now,
                # A writer whose transaction is open may have read the subscriptions before this
                # one existed, and then marks no profile. The sweep finds what it has changed.
                "sweep_at": now + WRITER_TIMEOUT if segment else None,
            },
        )
        if not is_new and subscription.kinds != list(kinds):
            subscription.kinds = list(kinds)
            subscription.sweep_at, subscription.sweep_cursor = now, 0
            subscription.save(update_fields=["kinds", "sweep_at", "sweep_cursor"])
    return subscription


def prepare(
    app_group: AppGroup, *, listener: int, role: str, segment: Segment, now: datetime
) -> None:
    """Write the members of a segment for a listener that does not collect yet, part by part.

    Each part has its own transaction: a single one for a large segment would hold up the engine.
    `resume` or `begin` lets the subscription collect; its sweep finds who joined and left
    meanwhile. Members of finished parts are kept. Raise FilterError.
    """
    subscription, _is_new = Subscription.objects.get_or_create(
        listener=listener,
        role=role,
        kind=Kind.SEGMENT,
        name="",
        segment=segment,
        defaults={"app_group": app_group, "collecting_since": now, "is_paused": True},
    )
    # If a second launch has resumed it meanwhile, no row matches: the sweep of that launch signals
    # who joins.
    unfinished = Subscription.objects.filter(pk=subscription.pk, is_paused=True, sweep_at=None)
    low = 0
    while low < HIGHEST_ID:
        high = _part_end(app_group.pk, above=low)
        with transaction.atomic():
            if not _lock(unfinished):
                return
            fill(subscription, low=low, high=high, now=now)
        low = high
    unfinished.update(sweep_at=now + WRITER_TIMEOUT)


def begin(subscription: Subscription, *, now: datetime) -> None:
    """Start a prepared subscription of a listener whose other subscriptions collect already.

    `resume` would drop the events that wait for the listener.
    """
    with transaction.atomic():
        prepared = Subscription.objects.filter(pk=subscription.pk, is_paused=True)
        if _lock(prepared):
            prepared.update(is_paused=False, collecting_since=now, sweep_at=now, sweep_cursor=0)


def pause(listener: int) -> None:
    """Stop collecting signals. Waiting signals of events are dropped, members stay."""
    with transaction.atomic():
        if _lock(Subscription.objects.filter(listener=listener)):
            Subscription.objects.filter(listener=listener).update(is_paused=True)
        _drop_events(listener)


def resume(listener: int, now: datetime) -> None:
    """Collect signals again; a full sweep, due at once, finds who joined and left meanwhile."""
    with transaction.atomic():
        paused = Subscription.objects.filter(listener=listener, is_paused=True)
        if _lock(paused):
            _drop_events(listener)  # written by a transaction that was open during the pause
            paused.filter(kind=Kind.SEGMENT).update(sweep_at=now, sweep_cursor=0)
            paused.update(is_paused=False, collecting_since=now)


def _drop_events(listener: int) -> None:
    Signal.objects.filter(listener=listener, kind__in=Signal.OF_EVENTS).delete()


def _lock(subscriptions: QuerySet[Subscription]) -> list[Subscription]:
    """Lock subscriptions in the order of their ids, as all code that locks several does."""
    # no_key: rows of members refer to them
    return list(subscriptions.select_for_update(no_key=True).order_by("pk"))


def lock(subscription: Subscription) -> None:
    """Lock a subscription, so that no other process changes its members or writes signals.

    The lock ends with the transaction.
    """
    _lock(Subscription.objects.filter(pk=subscription.pk))


def lock_members(subscription: Subscription, *, low: int, high: int) -> list[int]:
    """Lock the subscription, as `lock` does; return its members with ids in (low, high]."""
    _lock(Subscription.objects.filter(pk=subscription.pk))
    members = SegmentMember.objects.filter(subscription=subscription)
    ids = members.filter(profile__gt=low, profile__lte=high).values_list("profile_id", flat=True)
    return list(ids)


def fill(subscription: Subscription, *, low: int, high: int, now: datetime) -> int:
    """Insert the profiles with ids in (low, high] that match as members, without signals.

    Call it in a transaction. Return how many are new. Raise FilterError.
    """
    for locked in _reloaded(_lock(Subscription.objects.filter(pk=subscription.pk))):
        return live_changes.fill(locked, Within(low=low, high=high), now=now)
    return 0


def fill_some(subscription: Subscription, ids: Sequence[int], *, now: datetime) -> int:
    """Insert those of these profiles that match as members, without signals.

    Call it in a transaction. Return how many are new. Raise FilterError.
    """
    for locked in _reloaded(_lock(Subscription.objects.filter(pk=subscription.pk))):
        return live_changes.fill(locked, Within(ids), now=now)
    return 0


def adopt(subscription: Subscription, people: QuerySet[Profile], *, now: datetime) -> None:
    """Insert profiles as members; the next sweep, due at once, removes those that do not match."""
    live_changes.add(subscription, people, now=now)
    subscriptions = Subscription.objects.filter(pk=subscription.pk)
    subscriptions.update(sweep_at=now, sweep_cursor=0)


def is_member_q(subscription: Subscription) -> Exists:
    """Return the condition that a profile is a member, as this subscription knows it."""
    members = SegmentMember.objects.filter(subscription=subscription, profile=OuterRef("pk"))
    return Exists(members)


def members(subscription: Subscription) -> QuerySet[Profile]:
    """Return the profiles that the subscription has as members."""
    members = SegmentMember.objects.filter(subscription=subscription)
    return Profile.objects.filter(pk__in=members.values("profile_id"))


def segment_saved(segment: Segment, now: datetime) -> None:
    """Make the sweeps of a changed segment due at once, inside the transaction of the change.

    The sweeps of segments that refer to it, directly or through others, become due as well.
    """
    affected = Subscription.objects.filter(segment__in=[segment, *references.all_users(segment)])
    if locked := _lock(affected):
        Subscription.objects.filter(pk__in=[subscription.pk for subscription in locked]).update(
            sweep_at=now, sweep_cursor=0
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """What an edit does: how many members leave and people join, of how many members."""

    leave: int = 0
    join: int = 0
    total: int = 0

    @property
    def share(self) -> float:
        """Return the changes per member; above 1 if more people join than are members."""
        return (self.leave + self.join) / max(1, self.total)


def difference(segment: Segment, new_filter: object, *, seconds: float = 2.0) -> Difference | None:
    """Return what an edit of a segment would do in live canvases; None if that takes too long.

    Subscriptions to segments that refer to it count, too; the difference of the subscription with
    the largest share is returned. Raise FilterError.
    """
    ends_at, largest = time.monotonic() + seconds, Difference()
    affected = [segment, *references.all_users(segment)]
    raw_filters = {row.pk: new_filter if row.pk == segment.pk else row.filter for row in affected}
    segments = filters.load_segments(raw_filters.values())
    segments[str(segment.api_id)] = ReferencedSegment(
        segment.name, segment.app_group_id, filters.read(new_filter)
    )
    active = Subscription.objects.filter(segment__in=affected, is_paused=False)
    # Subscriptions to one segment have the same members, apart from the last seconds: only one of
    # them is compared; the order makes it the same one each time. Leave-only subscriptions have
    # members of their own.
    compared = {
        (subscription.segment_id, subscription.is_leave_only and subscription.pk): subscription
        for subscription in active.order_by("-role", "-pk")
    }
    for subscription in compared.values():
        # ``or 0`` is for mypy: all of these have a segment
        query = filters.parse(raw_filters[subscription.segment_id or 0], segments=segments)
        try:
            with at_most(max(0.001, ends_at - time.monotonic())):
                edit_difference = Difference(*live_changes.counts(subscription, query))
        except TooSlow:
            return None
        largest = max(largest, edit_difference, key=lambda difference: difference.share)
    return largest


def work(*, now: datetime, seconds: float) -> bool:
    """Compare changed profiles, then continue due sweeps; return whether work is left."""
    started_at = time.monotonic()
    has_changes = has_sweeps = True
    while has_changes := compare_changed(now=now):
        if time.monotonic() > started_at + seconds / 2:
            break
    while has_sweeps := sweep_some(now=now):
        if time.monotonic() > started_at + seconds:
            break
    return has_changes or has_sweeps


def compare_changed(*, now: datetime) -> bool:
    """Compare the longest waiting changed profiles of one group; return False if none wait."""
    if not ChangedProfile.objects.exists():
        return False
    with transaction.atomic():
        oldest = ChangedProfile.objects.order_by("pk").first()
        if oldest is None:
            return False
        group = oldest.app_group_id
        group_changes = ChangedProfile.objects.filter(app_group=group).order_by("pk")
        compared = list(group_changes.values_list("pk", "profile_id")[:CHUNK])
        # Subscriptions are read after the changes, so that each one that a writer saw is included.
        collecting = Subscription.objects.filter(
            app_group=group, kind=Kind.SEGMENT, is_paused=False
        )
        profile_ids = sorted({profile for _pk, profile in compared})
        for subscription in _reloaded(_lock(collecting)):
            _compare(subscription, profile_ids, now=now)
        compared_pks = [pk for pk, _profile in compared]
        ChangedProfile.objects.filter(pk__in=live_changes.ids_sql(compared_pks)).delete()
    return True


def _reloaded(locked: Iterable[Subscription]) -> list[Subscription]:
    """Return locked subscriptions with their segments as they are now, not before the lock."""
    pks = [subscription.pk for subscription in locked]
    subscriptions = Subscription.objects.filter(pk__in=pks).select_related("segment", "app_group")
    return list(subscriptions.order_by("pk")) if pks else []


def _compare(subscription: Subscription, ids: Sequence[int], *, now: datetime) -> None:
    """Write who of these profiles joined or left, under the lock of the subscription."""
    try:
        moves = live_changes.moves(subscription, Within(ids), now=now)
    except filters.FilterError as error:
        logger.warning("The segment of %s cannot be read: %s.", subscription, error)
        return
    # The time is read after the lock: a signal that is written later never has an earlier time.
    live_changes.write(subscription, moves, now=max(now, timezone.now()))


def sweep_some(*, now: datetime) -> bool:
    """Continue the longest due sweep by one part; return False if none is due."""
    # A time too far ahead was written by a wrong clock: it counts as due.
    due_q = Q(sweep_at__lte=now) | Q(sweep_at__gt=now + DAILY_INTERVAL + WRITER_TIMEOUT)
    due_subscriptions = Subscription.objects.filter(due_q, kind=Kind.SEGMENT, is_paused=False)
    subscription = (
        due_subscriptions.select_related("segment", "app_group").order_by("sweep_at", "pk").first()
    )
    if subscription is None:
        return False
    low, high = (
        subscription.sweep_cursor,
        _part_end(subscription.app_group_id, above=subscription.sweep_cursor),
    )
    try:
        # The part is compared without a lock first, because most parts have no difference.
        # Profiles that differ are compared again under the lock; a profile that changes meanwhile
        # is marked by its writer.
        moves = live_changes.moves(subscription, Within(low=low, high=high), now=now)
    except filters.FilterError as error:
        logger.warning("The segment of %s cannot be read: %s.", subscription, error)
        _move_cursor(subscription, HIGHEST_ID, now=now)
        return True
    profile_ids = [move.profile_id for move in moves]
    for start in range(0, len(profile_ids), CHUNK):
        with transaction.atomic():
            unchanged = due_subscriptions.filter(
                pk=subscription.pk, sweep_at=subscription.sweep_at, sweep_cursor=low
            )
            for locked in _reloaded(_lock(unchanged)):
                _compare(locked, profile_ids[start : start + CHUNK], now=now)
    _move_cursor(subscription, high, now=now)
    return True


def _part_end(app_group: int, *, above: int) -> int:
    """Return the last profile id of the next part of a sweep; HIGHEST_ID: nothing follows."""
    profiles = Profile.everybody.filter(app_group=app_group, pk__gt=above)
    pks = profiles.order_by("pk").values_list("pk", flat=True)
    return pks[SWEPT - 1 : SWEPT].first() or HIGHEST_ID


def _move_cursor(subscription: Subscription, cursor: int, *, now: datetime) -> None:
    """Move the cursor of a sweep, or end it, unless it was made due again meanwhile."""
    unchanged = Subscription.objects.filter(
        pk=subscription.pk,
        sweep_at=subscription.sweep_at,
        sweep_cursor=subscription.sweep_cursor,
    )
    if cursor < HIGHEST_ID:
        unchanged.update(sweep_cursor=cursor)
        return
    unchanged.update(sweep_cursor=0, sweep_at=_next_sweep(subscription, now=now))


def _next_sweep(subscription: Subscription, *, now: datetime) -> datetime:
    """Return when to sweep next.

    After a sweep that began early, sweep again as soon as no transaction can be open that began
    before the subscription collected.
    """
    settled_at = subscription.collecting_since + WRITER_TIMEOUT
    if subscription.sweep_at is not None and subscription.sweep_at < settled_at:
        return max(settled_at, now)
    assert subscription.segment is not None
    return now + (
        TIMED_INTERVAL if filters.is_timed(subscription.segment.filter) else DAILY_INTERVAL
    )
