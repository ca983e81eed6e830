"""People who wait until something happens: the event or the segment chooses their branch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from datetime import datetime
from operator import itemgetter
from typing import Any

from django.db.models import Q, QuerySet

from audiencesync.people.models import Event, Segment
from audiencesync.people.models.live import Signal, Subscription
from audiencesync.people.segments import filters
from audiencesync.people.segments.live_changes import ids_sql
from canvases.engine import trails
from canvases.models import Canvas, Step, Visit
from canvases.steps import KINDS
from canvases.steps.wait_until import WaitUntil, events_of, is_ranked

WaitedFor = tuple[str, str, Segment | None]  # kind, name, segment


def waiting_steps(canvas: Canvas) -> list[Step]:
    """Return the steps of a canvas at which people wait until something happens."""
    wait_steps = list(Step.objects.filter(canvas=canvas, kind=WaitUntil.key, removed_at=None))
    for step in wait_steps:
        step.canvas = canvas
    return wait_steps


def waited_for(canvas: Canvas) -> Iterator[WaitedFor]:
    """Yield what the waiting steps of a canvas wait for."""
    rows = [row for step in waiting_steps(canvas) for row in events_of(step)]
    for segment in segments(canvas, rows):
        yield Subscription.Kind.SEGMENT, "", segment
    for row in rows:
        if row["kind"] != Subscription.Kind.SEGMENT:
            yield row["kind"], row["name"], None


def segments(canvas: Canvas, rows: Iterable[Mapping[str, Any]]) -> QuerySet[Segment]:
    """Return the segments that ``rows`` (of `events_of`) wait for."""
    api_ids = [row["segment"] for row in rows if row["kind"] == Subscription.Kind.SEGMENT]
    return Segment.objects.filter(app_group=canvas.app_group_id, api_id__in=api_ids)


def events_q(canvas: Canvas, only: tuple[str, str], *, now: datetime) -> Q:
    """Return the condition on events for which a step waits. ``only``: their kind and name."""
    condition = Q(pk__in=[])
    for step in waiting_steps(canvas):
        for row in events_of(step):
            if (row["kind"], row.get("name")) == only:
                condition |= filters.of_event(row, now=now)
    return condition


def choose(canvas: Canvas, signals: Mapping[int, Signal], *, now: datetime) -> None:
    """Choose the branch of the people of these signals, where they wait for it.

    If several branches wait for one event, people take the first of them. Call it under the lock of
    the canvas.
    """
    if not signals:
        return
    segment_of = _segment_api_ids(signals)
    for step in waiting_steps(canvas):
        for rank, row in enumerate(events_of(step)):
            people = _people_of_branch(row, signals, segment_of, now=now)
            _choose_branch(step, rank, {person: signals[person].at for person in people}, now=now)


def catch_up(canvas: Canvas, entries: Mapping[int, Signal], *, now: datetime) -> None:
    """Choose the branch of people whom these signals let in, by the events since their entry event.

    An event that they wait for may have arrived before the one that let them in. Call it under the
    lock of the canvas, after they entered.
    """
    since = {person: signal.at for person, signal in entries.items()}
    entry_event_ids = {signal.event_id for signal in entries.values() if signal.event_id}
    visits = Visit.objects.filter(canvas=canvas, left_at=None, profile__in=list(entries))
    occupied_step_ids = set(visits.values_list("step", flat=True))
    for step in waiting_steps(canvas):
        if step.pk in occupied_step_ids:
            _catch_up(step, since, entry_event_ids, now=now)


def catch_up_at(step: Step, *, now: datetime) -> None:
    """Choose the branch of people who came to a step at ``now`` and have waited at no step before.

    The events since their entry event count, as in `catch_up`: what they wait for may have arrived
    while they passed a split. Call it under the lock of the canvas, after they moved.
    """
    canvas = step.canvas
    if step.kind != WaitUntil.key or canvas.entry_by != Canvas.EntryBy.EVENT:
        return
    # Find them by their due time, which counts from ``now``: ``arrived_at`` may be later than
    # ``now`` (crowds.move).
    arrived = Visit.objects.filter(step=step, due_at=KINDS[step.kind].due_on_arrival(step, now=now))
    columns = ("profile", "began_at", "trail")
    visits = arrived.filter(branch=None, began_at__isnull=False).values_list(*columns)
    waiting_step_ids = _waiting_step_ids(canvas)
    since = {
        person: at
        for person, at, trail in visits
        if at and not _has_waited(trail, waiting_step_ids)
    }
    if not since:
        return
    in_question = {"profile__in": ids_sql(list(since)), "at__gte": min(since.values())}
    entries = Event.objects.filter(filters.of_event(canvas.entry, now=now), **in_question)
    rows = entries.values_list("pk", "profile", "at")
    _catch_up(step, since, {pk for pk, person, at in rows if at == since[person]}, now=now)


def _catch_up(
    step: Step, since: Mapping[int, datetime], entry_event_ids: Collection[int], *, now: datetime
) -> None:
    """Choose the branch of people by their events since a time, except their entry events.

    ``since``: person -> time.
    """
    # The topmost rank first, or the earliest event: the items are (time, rank, person).
    order = itemgetter(1, 0) if is_ranked(step) else itemgetter(0, 1)
    first_by_person: dict[int, tuple[datetime, int]] = {}
    for at, rank, person in sorted(_events_since(step, since, entry_event_ids, now=now), key=order):
        first_by_person.setdefault(person, (at, rank))
    for rank in range(len(events_of(step))):
        people = {person: at for person, (at, taken) in first_by_person.items() if taken == rank}
        _choose_branch(step, rank, people, now=now)


def _events_since(
    step: Step, since: Mapping[int, datetime], entry_event_ids: Collection[int], *, now: datetime
) -> Iterator[tuple[datetime, int, int]]:
    """Yield (time, rank of its branch, person) of each event since a time that a step waits for."""
    in_question = {"profile__in": ids_sql(list(since)), "at__gte": min(since.values())}
    for rank, row in enumerate(events_of(step)):
        if row["kind"] == Subscription.Kind.SEGMENT:
            continue
        fitting = Event.objects.filter(filters.of_event(row, now=now), **in_question)
        for pk, person, at in fitting.values_list("pk", "profile", "at"):
            if at >= since[person] and pk not in entry_event_ids:
                yield at, rank, person


def _waiting_step_ids(canvas: Canvas) -> set[int]:
    """Return the steps of a canvas at which people wait, including removed steps."""
    kinds = [key for key, kind in KINDS.items() if kind.holds]
    return set(Step.objects.filter(canvas=canvas, kind__in=kinds).values_list("pk", flat=True))


def _has_waited(trail: str, waiting_step_ids: Set[int]) -> bool:
    """Return whether a visit with this trail has passed one of these steps."""
    return not waiting_step_ids.isdisjoint(trails.steps(trail))


def _segment_api_ids(signals: Mapping[int, Signal]) -> dict[int, str]:
    """Return subscription -> api_id of its segment."""
    pks = {signal.subscription_id for signal in signals.values()}
    of_segments = Subscription.objects.filter(pk__in=pks, segment__isnull=False)
    rows = of_segments.values_list("pk", "segment__api_id")
    return {pk: str(api_id) for pk, api_id in rows}


def _people_of_branch(
    row: Mapping[str, Any],
    signals: Mapping[int, Signal],
    segment_of: Mapping[int, str],
    *,
    now: datetime,
) -> list[int]:
    """Return the people whose signal is what a branch (``row``) waits for."""
    if row["kind"] == Subscription.Kind.SEGMENT:
        return [
            person
            for person, signal in signals.items()
            if segment_of.get(signal.subscription_id) == row["segment"]
        ]
    person_of = {signal.event_id: person for person, signal in signals.items() if signal.event_id}
    fitting = Event.objects.filter(filters.of_event(row, now=now), pk__in=person_of)
    return [person_of[pk] for pk in fitting.values_list("pk", flat=True)]


def _choose_branch(step: Step, rank: int, people: Mapping[int, datetime], *, now: datetime) -> None:
    """Let people who wait at a step take a branch, if what happened lies within their wait.

    ``rank``: the rank of the branch; 0 is the topmost. If the most important event decides at this
    step, the branch replaces one of a lower rank, and people go on waiting until the topmost event
    happens or their time is over.
    """
    if not people:
        return
    open_visits = Visit.objects.filter(_open_q(step, rank), canvas=step.canvas_id, left_at=None)
    # The query filters by person, and the step is compared below: with a filter by the step,
    # PostgreSQL might read all visits that wait there.
    candidates = open_visits.filter(profile__in=list(people))
    columns = ("pk", "step", "profile", "due_at", "began_at", "entered_at", "arrived_at", "trail")
    waiting_step_ids = _waiting_step_ids(step.canvas)
    visit_ids = [
        pk
        for pk, step_id, profile, due_at, *arrival in candidates.values_list(*columns)
        if step_id == step.pk
        and _is_within(
            people[profile], _counts_from(*arrival, waiting_step_ids=waiting_step_ids), due_at
        )
    ]
    if visit_ids:
        _set_branch(step, rank, Visit.objects.filter(pk__in=visit_ids), now=now)


def inherit_branch(visit: Visit, *, by: Visit, now: datetime) -> None:
    """Let a visit take the branch that an event has chosen for ``by``, a visit at the same step.

    Both are visits of one person, whose profiles are merged. Call it under the lock of the canvas.
    """
    if visit.step is None or visit.step_id != by.step_id or by.branch is None:
        return
    numbers = [row["number"] for row in events_of(visit.step)]
    if by.branch in numbers:
        own_row = Visit.objects.filter(pk=visit.pk)
        _set_branch(visit.step, numbers.index(by.branch), own_row, now=now)


def _open_q(step: Step, rank: int) -> Q:
    """Return the condition on visits for which a branch of this rank can still be chosen."""
    if not is_ranked(step):
        return Q(branch=None)
    lower = [row["number"] for row in events_of(step)[rank + 1 :]]
    return Q(branch=None) | Q(branch__in=lower)


def _set_branch(step: Step, rank: int, visits: QuerySet[Visit], *, now: datetime) -> None:
    """Choose a branch for visits; they go on at once unless a more important one may follow."""
    goes_on = {"due_at": now} if rank == 0 or not is_ranked(step) else {}
    number = events_of(step)[rank]["number"]
    visits.filter(_open_q(step, rank)).update(branch=number, **goes_on)


def _counts_from(
    began_at: datetime | None,
    entered_at: datetime,
    arrived_at: datetime | None,
    trail: str,
    *,
    waiting_step_ids: Set[int],
) -> datetime:
    """Return from when on events count at a wait.

    They count from the arrival at the step or, if the person has waited at no step before, from the
    event that let the person in.
    """
    is_first = arrived_at is None or arrived_at == entered_at
    if began_at and (is_first or trail and not _has_waited(trail, waiting_step_ids)):
        return began_at
    return arrived_at or entered_at


def _is_within(at: datetime, since: datetime, due_at: datetime) -> bool:
    """Return whether a time lies within a wait."""
    if not at.microsecond:  # Programs often send whole seconds.
        since = since.replace(microsecond=0)
    return since <= at <= due_at
