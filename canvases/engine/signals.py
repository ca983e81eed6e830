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
ROLE_ORDER = (  # of signals with the same time
    Subscription.Role.EXIT,
    Subscription.Role.WAIT,
    Subscription.Role.ENTRY,
)
MAX_BACKDATING = timedelta(hours=1)
"""An entry event may have happened at most this long before the launch."""


@dataclass(slots=True)
class Round:
    """At most one signal of each person, with the exits, waits and entries that follow."""

    signals: dict[int, Signal] = field(default_factory=dict)  # by person, like waits and entries
    # reason -> person -> when the exit event happened; None: the time does not matter
    exits: dict[LeftBy, dict[int, datetime | None]] = field(default_factory=dict)
    to_remove: set[int] = field(default_factory=set)  # people, from their audiences
    changed: set[int] = field(default_factory=set)  # people whose identifiers changed
    waits: dict[int, Signal] = field(default_factory=dict)
    entries: dict[int, Signal] = field(default_factory=dict)

    def drop(self, people: Iterable[int]) -> None:
        """Drop the signals of these people."""
        for person in people:
            self.signals.pop(person, None)
            self.waits.pop(person, None)
            self.entries.pop(person, None)
            self.to_remove.discard(person)
            self.changed.discard(person)
            for leaving in self.exits.values():
                leaving.pop(person, None)


def with_work(live: QuerySet[Canvas]) -> QuerySet[Canvas]:
    """Return the live canvases that may have signals to process.

    A canvas whose brake holds LEFT signals (brake.py) is returned only if it has another signal.
    """
    signals = Signal.objects.filter(listener=OuterRef("pk"))
    unbraked_q = Q(Exists(signals), braked_at=None)
    not_left = signals.exclude(kind=Signal.Kind.LEFT)
    return live.filter(unbraked_q | Q(Exists(not_left), braked_at__isnull=False))


def work(canvas_id: int, *, now: datetime) -> int:
    """Process the next signals of a canvas; return how many."""
    with transaction.atomic():
        canvas = rows.locked_live(canvas_id)
        if canvas is None:
            return 0
        steps = exits.removing_steps(canvas)
        brake.apply(canvas, steps, now=now)
        done = list[int]()
        # If all people of a chunk are blocked, nothing is done: go on to the next chunk.
        for signals in chunks.read(_processable(canvas, steps), READ_AT_ONCE):
            done = _process(canvas, steps, signals, now=now)
            if done:
                break
        _delete(done)
    return len(done)


def _delete(done: Sequence[int]) -> None:
    """Delete signals in the transaction that processed them."""
    Signal.objects.filter(pk__in=done).delete()


def _process(
    canvas: Canvas, steps: Sequence[Step], signals: Sequence[Signal], *, now: datetime
) -> list[int]:
    """Process signals; return the ids of those that are done."""
    rounds, done = _rounds(canvas, signals, removes=bool(steps), now=now)
    changed_people = {person for one_round in rounds for person in one_round.changed}
    # Signals of these people wait. Removing the former identifiers now would supersede a pending
    # add of another canvas, which would not add the people again.
    blocked = exits.pending_people(steps, changed_people)
    for one_round in rounds:
        one_round.drop(blocked)
        for reason, people in one_round.exits.items():
            exits.end_visits(canvas, reason, people, now=now)
        if steps:
            one_round.to_remove -= exits.entered_later(
                canvas, one_round.exits.get(LeftBy.EVENT, {})
            )
        blocked |= exits.withdraw(steps, one_round.to_remove, changed=one_round.changed, now=now)
        waits.choose(canvas, one_round.waits, now=now)
        _enter(canvas, one_round.entries, now=now)
        done += [signal.pk for signal in one_round.signals.values()]
    return done


def _processable(canvas: Canvas, steps: Sequence[Step]) -> QuerySet[Signal]:
    """Return the signals of a canvas without those that must wait.

    Signals of people with a pending removal must wait: a new add would supersede the removal, and
    the former identifiers would stay in the audience.
    """
    free_signals = (
        brake.unheld_signals(canvas.pk)
        if canvas.braked_at
        else Signal.objects.filter(listener=canvas.pk)
    )
    if steps:
        removals = exits.pending_removals(steps).filter(profile=OuterRef("profile_id"))
        free_signals = free_signals.exclude(Exists(removals))
    return free_signals


def _rounds(
    canvas: Canvas, signals: Sequence[Signal], *, removes: bool, now: datetime
) -> tuple[list[Round], list[int]]:
    """Divide signals into rounds, in the order in which things happened to each person.

    Also return the ids of signals that have no effect. ``removes``: whether the canvas has steps
    that remove people who leave.
    """
    subscriptions = Subscription.objects.filter(listener=canvas.pk).in_bulk()
    matching_ids = _matching_ids(canvas, signals, subscriptions, now=now)
    ends_early = removes or bool(canvas.exits.get("left"))
    rejoined_ids = _rejoined_ids(canvas, signals, now=now)
    if canvas.entry_by != Canvas.EntryBy.SEGMENT:
        # People who rejoined are in the segment, so their LEFT signals end nothing. In a canvas
        # that is kept up to date with the segment, these signals show changed identifiers: the
        # people leave and enter again.
        matching_ids -= rejoined_ids
    rounds: list[Round] = []
    round_of: dict[int, int] = {}
    matching = [signal for signal in signals if signal.pk in matching_ids]
    rank = {pk: ROLE_ORDER.index(one.role) for pk, one in subscriptions.items()}
    matching.sort(key=lambda signal: (signal.at, rank[signal.subscription_id], signal.pk))
    for signal in matching:
        person = signal.profile_id
        number = round_of[person] = round_of.get(person, -1) + 1
        if number == len(rounds):
            rounds.append(Round())
        role = subscriptions[signal.subscription_id].role
        is_back = signal.pk in rejoined_ids
        _assign(signal, role, rounds[number], ends_early=ends_early, is_back=is_back)
    return rounds, [signal.pk for signal in signals if signal.pk not in matching_ids]


def _rejoined_ids(canvas: Canvas, signals: Sequence[Signal], *, now: datetime) -> set[int]:
    """Return the ids of LEFT signals whose people are members again.

    In a segment that is kept up to date this is how changed identifiers show: the person leaves
    and joins at once.
    """
    left_signals = [signal for signal in signals if signal.kind == Signal.Kind.LEFT]
    if not left_signals:
        return set()
    # A subscription that only watches who leaves does not store people who join: store those of
    # these people who are in the segment again.
    subscription = admission.entry_subscription(canvas)
    if subscription is not None and subscription.is_leave_only:
        profile_ids = {
            signal.profile_id
            for signal in left_signals
            if signal.subscription_id == subscription.pk
        }
        live_segments.fill_some(subscription, sorted(profile_ids), now=now)
    member = SegmentMember.objects.filter(
        subscription=OuterRef("subscription_id"), profile=OuterRef("profile_id")
    )
    signal_ids = [signal.pk for signal in left_signals]
    of_members = Signal.objects.filter(Exists(member), pk__in=signal_ids)
    return set(of_members.values_list("pk", flat=True))


def _assign(signal: Signal, role: str, into: Round, *, ends_early: bool, is_back: bool) -> None:
    """Assign a signal to the exits, waits or entries of a round.

    ``ends_early``: leaving the entry segment ends the visit. ``is_back``: the person is a member
    again.
    """
    person, kind = signal.profile_id, Signal.Kind(signal.kind)
    into.signals[person] = signal
    if role == Subscription.Role.ENTRY and kind == Signal.Kind.LEFT:
        into.to_remove.add(person)
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
        into.to_remove.add(person)
    elif kind != Signal.Kind.LEFT:
        into.exits.setdefault(LeftBy.EVENT, {})[person] = signal.at
        into.to_remove.add(person)


def _matching_ids(
    canvas: Canvas,
    signals: Sequence[Signal],
    subscriptions: dict[int, Subscription],
    *,
    now: datetime,
) -> set[int]:
    """Return the ids of the signals that the canvas subscribes to.

    The event of a signal must fit the conditions on its properties and its time.
    """
    by_subscription: dict[int, list[Signal]] = {}
    for signal in signals:
        subscription = subscriptions.get(signal.subscription_id)
        is_left = signal.kind == Signal.Kind.LEFT
        if subscription is not None and (is_left or not subscription.is_leave_only):
            by_subscription.setdefault(signal.subscription_id, []).append(signal)
    signal_ids = set()
    for pk, of_subscription in by_subscription.items():
        event_ids = {signal.event_id for signal in of_subscription if signal.event_id is not None}
        fitting_ids = set[int | None]()
        if event_ids:
            fitting_ids |= _fitting_event_ids(canvas, subscriptions[pk], event_ids, now=now)
        fitting_ids.add(None)  # of signals without an event
        signal_ids |= {signal.pk for signal in of_subscription if signal.event_id in fitting_ids}
    return signal_ids


def _fitting_event_ids(
    canvas: Canvas, subscription: Subscription, event_ids: set[int], *, now: datetime
) -> set[int]:
    """Return the ids of the events that fit the conditions of a subscription."""
    fitting = Event.objects.filter(pk__in=event_ids)
    if subscription.role == Subscription.Role.ENTRY:
        fitting = _drop_too_old(canvas, fitting.filter(filters.of_event(canvas.entry, now=now)))
    else:
        only = (subscription.kind, subscription.name)
        part = waits if subscription.role == Subscription.Role.WAIT else exits
        fitting = fitting.filter(part.events_q(canvas, only, now=now))
    return set(fitting.values_list("pk", flat=True))


def _drop_too_old(canvas: Canvas, events: QuerySet[Event]) -> QuerySet[Event]:
    """Return the events that are recent enough for an entry; count the others as too old."""
    if canvas.launched_at is None:
        return events
    earliest = canvas.launched_at - MAX_BACKDATING
    if n := events.filter(at__lt=earliest).count():
        Canvas.objects.filter(pk=canvas.pk).update(too_old=F("too_old") + n)
    return events.filter(at__gte=earliest)


def _enter(canvas: Canvas, entries: dict[int, Signal], *, now: datetime) -> None:
    """Let the people of these signals enter; if the canvas has a segment, only its members."""
    if not entries:
        return
    people = admission.in_segment(canvas, list(entries), now=now)
    if canvas.entry_by == Canvas.EntryBy.SEGMENT:
        admission.enter(canvas, admission.Entrants(people), now=now)
        return
    people = people.exclude(pk__in=_people_already_out(canvas, entries, now=now))
    entry_signals = Signal.objects.filter(pk__in=[signal.pk for signal in entries.values()])
    if admission.enter(canvas, admission.Entrants(people, entry_signals), now=now):
        waits.catch_up(canvas, entries, now=now)


def _people_already_out(canvas: Canvas, entries: dict[int, Signal], *, now: datetime) -> set[int]:
    """Return the people for whom an exit event happened at or after the event of their entry.

    The exit event may have arrived before the event of the entry, when there was no visit to end.
    """
    oldest = min(signal.at for signal in entries.values())
    events = Event.objects.filter(
        exits.events_q(canvas, now=now), profile__in=list(entries), at__gte=oldest
    )
    return {
        person for person, at in events.values_list("profile", "at") if at >= entries[person].at
    }
