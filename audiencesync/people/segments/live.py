"""Keep listeners informed of who joins and leaves a segment, and of events.

Membership is kept for each subscription. Changed profiles are compared within seconds; a full sweep
finds what time alone changes, and what no writer marked.
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
from audiencesync.people.segments.uses.references import Known

logger = logging.getLogger(__name__)
CHUNK = 10_000  # changed profiles, or rows to write, of one transaction
SWEPT = 50_000  # profiles that a sweep compares at once
HIGHEST = 2**63 - 1
SETTLED = timedelta(minutes=5)  # no transaction of a writer is open longer
OFTEN, DAILY = timedelta(minutes=15), timedelta(days=1)  # between two sweeps
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
    """Return the listener's subscription, which is made if there is none like it.

    Other ``kinds`` than before are taken over: its next sweep refreshes every member.
    """
    with transaction.atomic():
        found, is_new = Subscription.objects.get_or_create(
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
                # A writer that is at work read the subscriptions before.
                "sweep_at": now + SETTLED if segment else None,
            },
        )
        if not is_new and found.kinds != list(kinds):
            found.kinds, found.sweep_at, found.sweep_cursor = list(kinds), now, 0
            found.save(update_fields=["kinds", "sweep_at", "sweep_cursor"])
    return found


def prepare(
    app_group: AppGroup, *, listener: int, role: str, segment: Segment, now: datetime
) -> None:
    """Write the members of a segment for a listener that does not collect yet, part by part.

    Each part is a transaction: of a large segment one alone would hold up the engine. `resume` or
    `begin` lets it collect; its sweep finds who joined and left meanwhile. Members that are
    written are kept. Raise FilterError.
    """
    made, _is_new = Subscription.objects.get_or_create(
        listener=listener,
        role=role,
        kind=Kind.SEGMENT,
        name="",
        segment=segment,
        defaults={"app_group": app_group, "collecting_since": now, "is_paused": True},
    )
    # Resumed meanwhile by a second launch, whose sweep signals who joins.
    unfinished = Subscription.objects.filter(pk=made.pk, is_paused=True, sweep_at=None)
    low = 0
    while low < HIGHEST:
        high = _end(app_group.pk, above=low)
        with transaction.atomic():
            if not _lock(unfinished):
                return
            fill(made, low=low, high=high, now=now)
        low = high
    unfinished.update(sweep_at=now + SETTLED)


def begin(subscription: Subscription, *, now: datetime) -> None:
    """Let a subscription collect that was prepared for a listener which collects already.

    `resume` would drop the events that wait for the listener.
    """
    with transaction.atomic():
        prepared = Subscription.objects.filter(pk=subscription.pk, is_paused=True)
        if _lock(prepared):
            prepared.update(is_paused=False, collecting_since=now, sweep_at=now, sweep_cursor=0)


def pause(listener: int) -> None:
    """Stop to collect signals; those of events that wait are dropped, members stay."""
    with transaction.atomic():
        if _lock(Subscription.objects.filter(listener=listener)):
            Subscription.objects.filter(listener=listener).update(is_paused=True)
        _drop_events(listener)


def resume(listener: int, now: datetime) -> None:
    """Collect signals again; a full sweep at once finds who joined and left meanwhile."""
    with transaction.atomic():
        paused = Subscription.objects.filter(listener=listener, is_paused=True)
        if _lock(paused):
            _drop_events(listener)  # of a writer that was at work when it was paused
            paused.filter(kind=Kind.SEGMENT).update(sweep_at=now, sweep_cursor=0)
            paused.update(is_paused=False, collecting_since=now)


def _drop_events(listener: int) -> None:
    Signal.objects.filter(listener=listener, kind__in=Signal.OF_EVENTS).delete()


def _lock(subscriptions: QuerySet[Subscription]) -> list[Subscription]:
    """Lock subscriptions in the order of their ids, as everything that locks several does."""
    # no_key: rows of members refer to them
    return list(subscriptions.select_for_update(no_key=True).order_by("pk"))


def lock(subscription: Subscription) -> None:
    """Lock a subscription until the transaction ends: its members and signals stay the same."""
    _lock(Subscription.objects.filter(pk=subscription.pk))


def lock_members(subscription: Subscription, *, low: int, high: int) -> list[int]:
    """Return the members with ids in (low, high]; they stay the same until the transaction ends."""
    _lock(Subscription.objects.filter(pk=subscription.pk))
    mine = SegmentMember.objects.filter(subscription=subscription)
    ids = mine.filter(profile__gt=low, profile__lte=high).values_list("profile_id", flat=True)
    return list(ids)


def fill(subscription: Subscription, *, low: int, high: int, now: datetime) -> int:
    """Insert the profiles with ids in (low, high] that match as members, without signals.

    Call it in a transaction. Return how many are new. Raise FilterError.
    """
    for locked in _fresh(_lock(Subscription.objects.filter(pk=subscription.pk))):
        return live_changes.fill(locked, Within(low=low, high=high), now=now)
    return 0


def fill_some(subscription: Subscription, ids: Sequence[int], *, now: datetime) -> int:
    """Insert those of these profiles that match as members, without signals.

    Call it in a transaction. Return how many are new. Raise FilterError.
    """
    for locked in _fresh(_lock(Subscription.objects.filter(pk=subscription.pk))):
        return live_changes.fill(locked, Within(ids), now=now)
    return 0


def adopt(subscription: Subscription, people: QuerySet[Profile], *, now: datetime) -> None:
    """Insert profiles as members; a sweep at once lets those leave that do not match."""
    live_changes.add(subscription, people, now=now)
    mine = Subscription.objects.filter(pk=subscription.pk)
    mine.update(sweep_at=now, sweep_cursor=0)


def is_member(subscription: Subscription) -> Exists:
    """Return the condition on profiles: they are members."""
    mine = SegmentMember.objects.filter(subscription=subscription, profile=OuterRef("pk"))
    return Exists(mine)


def members(subscription: Subscription) -> QuerySet[Profile]:
    """Return the profiles that the subscription has as members."""
    mine = SegmentMember.objects.filter(subscription=subscription)
    return Profile.objects.filter(pk__in=mine.values("profile_id"))


def segment_saved(segment: Segment, now: datetime) -> None:
    """Make the sweeps of a changed segment due at once, inside the transaction of the change.

    Also those of segments that refer to it, directly or through others.
    """
    concerned = Subscription.objects.filter(segment__in=[segment, *references.above(segment)])
    if found := _lock(concerned):
        Subscription.objects.filter(pk__in=[one.pk for one in found]).update(
            sweep_at=now, sweep_cursor=0
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """How many members an edit lets leave, how many people join, and how many members there are."""

    leave: int = 0
    join: int = 0
    total: int = 0

    @property
    def share(self) -> float:
        """Return the part of the members that would change; without members all of it."""
        return (self.leave + self.join) / max(1, self.total)


def difference(segment: Segment, new_filter: object, *, seconds: float = 2.0) -> Difference | None:
    """Return what an edit of a segment would do to who listens; None if that takes too long.

    Where several listen, also through other segments, the greatest share. Raise FilterError.
    """
    ends_at, most = time.monotonic() + seconds, Difference()
    concerned = [segment, *references.above(segment)]
    raws = {one.pk: new_filter if one.pk == segment.pk else one.filter for one in concerned}
    known = filters.known_to(raws.values())
    own = str(segment.api_id)
    known[own] = Known(segment.name, segment.app_group_id, filters.read(new_filter))
    collecting = Subscription.objects.filter(segment__in=concerned, is_paused=False)
    # One of those to each segment that have the same members, but for some seconds.
    ordered = collecting.order_by("-role", "-pk")
    first = {(one.segment_id, one.is_leave_only and one.pk): one for one in ordered}
    for subscription in first.values():
        chosen = filters.parse(raws[subscription.segment_id or 0], known=known)
        try:
            with at_most(max(0.001, ends_at - time.monotonic())):
                found = Difference(*live_changes.counts(subscription, chosen))
        except TooSlow:
            return None
        most = max(most, found, key=lambda one: one.share)
    return most


def work(*, now: datetime, seconds: float) -> bool:
    """Compare changed profiles, then continue due sweeps; return whether work is left."""
    begun = time.monotonic()
    has_changes = has_sweeps = True
    while has_changes := compare_changed(now=now):
        if time.monotonic() > begun + seconds / 2:
            break
    while has_sweeps := sweep_some(now=now):
        if time.monotonic() > begun + seconds:
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
        waiting = ChangedProfile.objects.filter(app_group=group).order_by("pk")
        changed = list(waiting.values_list("pk", "profile_id")[:CHUNK])
        # After the changes: a subscription that a writer saw is seen here, too.
        collecting = Subscription.objects.filter(
            app_group=group, kind=Kind.SEGMENT, is_paused=False
        )
        ids = sorted({profile for _pk, profile in changed})
        for subscription in _fresh(_lock(collecting)):
            _compare(subscription, ids, now=now)
        done = [pk for pk, _profile in changed]
        ChangedProfile.objects.filter(pk__in=live_changes.listed(done)).delete()
    return True


def _fresh(locked: Iterable[Subscription]) -> list[Subscription]:
    """Return locked subscriptions with their segments as they are now, not before the lock."""
    pks = [one.pk for one in locked]
    found = Subscription.objects.filter(pk__in=pks).select_related("segment", "app_group")
    return list(found.order_by("pk")) if pks else []


def _compare(subscription: Subscription, ids: Sequence[int], *, now: datetime) -> None:
    """Write who of these profiles joined or left, under the lock of the subscription."""
    try:
        moves = live_changes.moves(subscription, Within(ids), now=now)
    except filters.FilterError as error:
        logger.warning("The segment of %s cannot be read: %s.", subscription, error)
        return
    # After the lock: a signal that is written later never has an earlier time.
    live_changes.write(subscription, moves, now=max(now, timezone.now()))


def sweep_some(*, now: datetime) -> bool:
    """Continue the longest due sweep by one part; return False if none is due."""
    # Far in the future: written by a wrong clock.
    is_due = Q(sweep_at__lte=now) | Q(sweep_at__gt=now + DAILY + SETTLED)
    due = Subscription.objects.filter(is_due, kind=Kind.SEGMENT, is_paused=False)
    found = due.select_related("segment", "app_group").order_by("sweep_at", "pk").first()
    if found is None:
        return False
    low, high = found.sweep_cursor, _end(found.app_group_id, above=found.sweep_cursor)
    try:
        # Without a lock, for most parts have no difference. What differs is compared again under
        # the lock; what changes meanwhile is marked.
        moves = live_changes.moves(found, Within(low=low, high=high), now=now)
    except filters.FilterError as error:
        logger.warning("The segment of %s cannot be read: %s.", found, error)
        _move_cursor(found, HIGHEST, now=now)
        return True
    ids = [move.profile_id for move in moves]
    for start in range(0, len(ids), CHUNK):
        with transaction.atomic():
            same = due.filter(pk=found.pk, sweep_at=found.sweep_at, sweep_cursor=low)
            for subscription in _fresh(_lock(same)):
                _compare(subscription, ids[start : start + CHUNK], now=now)
    _move_cursor(found, high, now=now)
    return True


def _end(app_group: int, *, above: int) -> int:
    """Return up to which profile id the next part of a walk over all people goes."""
    people = Profile.everybody.filter(app_group=app_group, pk__gt=above)
    ids = people.order_by("pk").values_list("pk", flat=True)
    return ids[SWEPT - 1 : SWEPT].first() or HIGHEST


def _move_cursor(subscription: Subscription, cursor: int, *, now: datetime) -> None:
    """Move the cursor of a sweep, or end it; not if it was made due again meanwhile."""
    same = Subscription.objects.filter(
        pk=subscription.pk,
        sweep_at=subscription.sweep_at,
        sweep_cursor=subscription.sweep_cursor,
    )
    if cursor < HIGHEST:
        same.update(sweep_cursor=cursor)
        return
    same.update(sweep_cursor=0, sweep_at=_next_sweep(subscription, now=now))


def _next_sweep(subscription: Subscription, *, now: datetime) -> datetime:
    """Return when to sweep next; at first again when no older transaction can be open."""
    settled_at = subscription.collecting_since + SETTLED
    if subscription.sweep_at is not None and subscription.sweep_at < settled_at:
        return max(settled_at, now)
    assert subscription.segment is not None
    return now + (OFTEN if filters.is_timed(subscription.segment.filter) else DAILY)
