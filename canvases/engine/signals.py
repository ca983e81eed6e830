"""Process the signals of a canvas: events and segments that let people enter or leave.

The order of what happened to a person decides: the signals of one person are processed one after
the other, those of different people together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from audiencesync.core import chunks
from audiencesync.people.models import Event
from audiencesync.people.models.live import SegmentMember, Signal, Subscription
from audiencesync.people.segments import filters
from audiencesync.people.segments import live as live_segments
from canvases.engine import admission, brake, exits, rows, waits
from canvases.models import Canvas, LeftBy, Step

READ_AT_ONCE = 5_000  # signals
ORDER = (
    Subscription.Role.EXIT,
    Subscription.Role.WAIT,
    Subscription.Role.ENTRY,
)  # at the same time
BACK_DATED = timedelta(hours=1)
"""An event of an entry may have happened this long before the launch, and not earlier."""


@dataclass(slots=True)
class Round:
    """At most one signal of each person, with the exits, waits and entries that follow."""

    signals: dict[int, Signal] = field(default_factory=dict)
    exits: dict[LeftBy, dict[int, datetime | None]] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)  # people to remove from audiences
    changed: set[int] = field(default_factory=set)  # people whose identifiers changed
    waits: dict[int, Signal] = field(default_factory=dict)
    entries: dict[int, Signal] = field(default_factory=dict)

    def drop(self, people: Iterable[int]) -> None:
        """Drop the signals of these people."""
        for person in people:
            self.signals.pop(person, None)
            self.waits.pop(person, None)
            self.entries.pop(person, None)
            self.left.discard(person)
            self.changed.discard(person)
            for leaving in self.exits.values():
                leaving.pop(person, None)


def with_work(live: QuerySet[Canvas]) -> QuerySet[Canvas]:
    """Return the live canvases with signals that a brake does not hold."""
    signals = Signal.objects.filter(listener=OuterRef("pk"))
    is_free = Q(Exists(signals), braked_at=None)
    others = signals.exclude(kind=Signal.Kind.LEFT)
    return live.filter(is_free | Q(Exists(others), braked_at__isnull=False))


def work(canvas_id: int, *, now: datetime) -> int:
    """Process the next signals of a canvas; return how many."""
    with transaction.atomic():
        canvas = rows.locked(canvas_id)
        if canvas is None:
            return 0
        steps = exits.removing_steps(canvas)
        brake.apply(canvas, steps, now=now)
        done = list[int]()
        for signals in chunks.read(_free(canvas, steps), READ_AT_ONCE):
            done = _work(canvas, steps, signals, now=now)
            if done:
                break
        _delete(done)
    return len(done)


def _delete(done: Sequence[int]) -> None:
    """Delete signals in the transaction that processed them."""
    Signal.objects.filter(pk__in=done).delete()


def _work(
    canvas: Canvas, steps: Sequence[Step], signals: Sequence[Signal], *, now: datetime
) -> list[int]:
    """Process signals; return the ids of those that are done."""
    rounds, done = _rounds(canvas, signals, removes=bool(steps), now=now)
    changed = {person for some in rounds for person in some.changed}
    # A removal now would supersede a pending add of another canvas, which would not notice.
    blocked = exits.pending_people(steps, changed)
    for some in rounds:
        some.drop(blocked)
        for reason, people in some.exits.items():
            exits.end_visits(canvas, reason, people, now=now)
        if steps:
            some.left -= exits.entered_later(canvas, some.exits.get(LeftBy.EVENT, {}))
        blocked |= exits.withdraw(steps, some.left, changed=some.changed, now=now)
        waits.choose(canvas, some.waits, now=now)
        _enter(canvas, some.entries, now=now)
        done += [signal.pk for signal in some.signals.values()]
    return done


def _free(canvas: Canvas, steps: Sequence[Step]) -> QuerySet[Signal]:
    """Return the signals of a canvas without those that must wait.

    People with a pending removal must: a new add would supersede it, and their former identifiers
    would stay in the audience.
    """
    mine = Signal.objects.filter(listener=canvas.pk)
    mine = brake.free(canvas.pk) if canvas.braked_at else mine
    if steps:
        removals = exits.pending_removals(steps).filter(profile=OuterRef("profile_id"))
        mine = mine.exclude(Exists(removals))
    return mine


def _rounds(
    canvas: Canvas, signals: Sequence[Signal], *, removes: bool, now: datetime
) -> tuple[list[Round], list[int]]:
    """Divide signals into rounds, in the order in which things happened to each person.

    Also return the ids of signals that ask for nothing.
    """
    subscriptions = {one.pk: one for one in Subscription.objects.filter(listener=canvas.pk)}
    matching = _matching(canvas, signals, subscriptions, now=now)
    ends_early = removes or bool(canvas.exits.get("left"))
    back = _rejoined(canvas, signals, now=now)
    if canvas.entry_by != Canvas.EntryBy.SEGMENT:  # no exit: they are in the segment
        matching -= back
    rounds: list[Round] = []
    places: dict[int, int] = {}
    fitting = [signal for signal in signals if signal.pk in matching]
    rank = {pk: ORDER.index(one.role) for pk, one in subscriptions.items()}
    for signal in sorted(fitting, key=lambda one: (one.at, rank[one.subscription_id], one.pk)):
        person = signal.profile_id
        place = places[person] = places.get(person, -1) + 1
        if place == len(rounds):
            rounds.append(Round())
        role = subscriptions[signal.subscription_id].role
        _assign(signal, role, rounds[place], ends_early=ends_early, is_back=signal.pk in back)
    return rounds, [signal.pk for signal in signals if signal.pk not in matching]


def _rejoined(canvas: Canvas, signals: Sequence[Signal], *, now: datetime) -> set[int]:
    """Return the ids of LEFT signals whose people are members again.

    In a segment that is kept up to date this is how changed identifiers show: the person leaves
    and joins at once.
    """
    left = [signal for signal in signals if signal.kind == Signal.Kind.LEFT]
    if not left:
        return set()
    # A subscription to those who leave adds no members by itself.
    entry = admission.subscription(canvas)
    if entry is not None and entry.is_leave_only:
        mine = {one.profile_id for one in left if one.subscription_id == entry.pk}
        live_segments.fill_some(entry, sorted(mine), now=now)
    member = SegmentMember.objects.filter(
        subscription=OuterRef("subscription_id"), profile=OuterRef("profile_id")
    )
    again = Signal.objects.filter(Exists(member), pk__in=[signal.pk for signal in left])
    return set(again.values_list("pk", flat=True))


def _assign(signal: Signal, role: str, into: Round, *, ends_early: bool, is_back: bool) -> None:
    """Assign a signal to the exits, waits or entries of a round."""
    person, kind = signal.profile_id, Signal.Kind(signal.kind)
    into.signals[person] = signal
    if role == Subscription.Role.ENTRY and kind == Signal.Kind.LEFT:
        into.left.add(person)
        if is_back:
            into.changed.add(person)
        if ends_early:
            reason = LeftBy.CHANGED if is_back else LeftBy.SEGMENT
            into.exits.setdefault(reason, {})[person] = None
    elif role == Subscription.Role.ENTRY:
        into.entries[person] = signal
    elif role == Subscription.Role.WAIT:
        if kind != Signal.Kind.LEFT:
            into.waits[person] = signal
    elif kind == Signal.Kind.JOINED:
        into.exits.setdefault(LeftBy.JOINED, {})[person] = None
        into.left.add(person)
    elif kind != Signal.Kind.LEFT:
        into.exits.setdefault(LeftBy.EVENT, {})[person] = signal.at
        into.left.add(person)


def _matching(
    canvas: Canvas,
    signals: Sequence[Signal],
    subscriptions: dict[int, Subscription],
    *,
    now: datetime,
) -> set[int]:
    """Return the signals whose event fits the conditions on its properties and its time."""
    by_subscription: dict[int, list[Signal]] = {}
    for signal in signals:
        asked = subscriptions.get(signal.subscription_id)
        if asked is not None and (signal.kind == Signal.Kind.LEFT or not asked.is_leave_only):
            by_subscription.setdefault(signal.subscription_id, []).append(signal)
    matching = set()
    for pk, some in by_subscription.items():
        of_events = {signal.event_id for signal in some if signal.event_id is not None}
        fit = _fitting(canvas, subscriptions[pk], of_events, now=now) if of_events else set()
        matching |= {one.pk for one in some if one.event_id is None or one.event_id in fit}
    return matching


def _fitting(
    canvas: Canvas, subscription: Subscription, events: set[int], *, now: datetime
) -> set[int]:
    """Return the events that a canvas asks for by this subscription."""
    found = Event.objects.filter(pk__in=events)
    if subscription.role == Subscription.Role.ENTRY:
        found = _drop_too_old(canvas, found.filter(filters.of_event(canvas.entry, now=now)))
    else:
        name = (subscription.kind, subscription.name)
        asks = waits if subscription.role == Subscription.Role.WAIT else exits
        found = found.filter(asks.asked(canvas, name, now=now))
    return set(found.values_list("pk", flat=True))


def _drop_too_old(canvas: Canvas, events: QuerySet[Event]) -> QuerySet[Event]:
    """Return the events that are recent enough for an entry; count the others as too old."""
    if canvas.launched_at is None:
        return events
    earliest = canvas.launched_at - BACK_DATED
    if n := events.filter(at__lt=earliest).count():
        Canvas.objects.filter(pk=canvas.pk).update(too_old=F("too_old") + n)
    return events.filter(at__gte=earliest)


def _enter(canvas: Canvas, entries: dict[int, Signal], *, now: datetime) -> None:
    """Let the people of these signals enter who are in the segment, if the canvas has one."""
    if not entries:
        return
    people = admission.in_segment(canvas, list(entries), now=now)
    if canvas.entry_by == Canvas.EntryBy.SEGMENT:
        admission.enter(canvas, admission.Crowd(people), now=now)
        return
    people = people.exclude(pk__in=_already_out(canvas, entries, now=now))
    mine = Signal.objects.filter(pk__in=[signal.pk for signal in entries.values()])
    if admission.enter(canvas, admission.Crowd(people, mine), now=now):
        waits.catch_up(canvas, entries, now=now)


def _already_out(canvas: Canvas, entries: dict[int, Signal], *, now: datetime) -> set[int]:
    """Return the people for whom an exit event happened at or after the event of their entry.

    The exit may have arrived first.
    """
    oldest = min(signal.at for signal in entries.values())
    events = Event.objects.filter(
        exits.asked(canvas, now=now), profile__in=list(entries), at__gte=oldest
    )
    return {
        person for person, at in events.values_list("profile", "at") if at >= entries[person].at
    }
