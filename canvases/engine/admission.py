"""Let people enter a canvas: re-entry, caps, and the visits that begin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet

from audiencesync.core.beat import wake
from audiencesync.people.models import Profile
from audiencesync.people.models.live import Signal, Subscription
from audiencesync.people.segments import filters, live_changes
from audiencesync.people.segments import live as live_segments
from canvases import tree
from canvases.engine import rows, trails
from canvases.models import Canvas, Step, Visit
from canvases.steps import KINDS
from canvases.steps.base import EVERYBODY

# Profiles admitted in one transaction: more would block other writers, fewer cost more each.
ADMITTED = 30_000

_ADMIT = """
INSERT INTO {visit}
    (canvas_id, profile_id, slot, step_id, due_at, entered_at, arrived_at, left_at, trail, began_at)
SELECT %s, people.id, {slot}, %s, %s, %s, %s, %s, %s, {began}
FROM ({people}) people {began_at} WHERE true {repeats}
"""
_BEGAN_AT = "JOIN ({signals}) began ON began.profile_id = people.id"
_LEAVE_ALONE = "ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class Crowd:
    """People who ask to enter. ``signals``: one of each person, whose time is that of the event.

    ``is_new``: none of them has a visit yet, and none can get one under the lock of the canvas.
    Then PostgreSQL need not check for conflicts row by row, a third of its work.
    """

    people: QuerySet[Profile]
    signals: QuerySet[Signal] | None = None
    is_new: bool = False


def admit(canvas_id: int, *, now: datetime) -> int:
    """Admit the next profiles of the entry segment; return how many were read (0: all are in)."""
    with transaction.atomic():
        canvas = rows.locked(canvas_id)
        if canvas is None or canvas.entry_until is None or canvas.segment is None:
            return 0
        if rows.first_step(canvas) is None:
            return 0
        people = filters.members(canvas.segment).filter(
            pk__gt=canvas.entry_cursor, pk__lte=canvas.entry_until
        )
        last = people.order_by("pk").values_list("pk", flat=True)[ADMITTED - 1 : ADMITTED].first()
        upto = last or canvas.entry_until
        crowd = _crowd(canvas, people.filter(pk__lte=upto), upto=upto, now=now)
        n = enter(canvas, crowd, now=now)
        Canvas.objects.filter(pk=canvas.pk).update(
            entry_cursor=upto, entry_until=canvas.entry_until if last else None
        )
    return ADMITTED if last else n


def _crowd(canvas: Canvas, people: QuerySet[Profile], *, upto: int, now: datetime) -> Crowd:
    """Return the profiles up to an id; of a watched segment those that are members of it now.

    Members are written before the admission: who joins or leaves later is a signal.
    """
    between = Visit.objects.filter(
        canvas=canvas, profile_id__gt=canvas.entry_cursor, profile_id__lte=upto
    )
    is_new = not between.exists()
    entry = subscription(canvas)
    if entry is None:
        return Crowd(people, is_new=is_new)
    if entry.is_leave_only:
        live_segments.fill(entry, low=canvas.entry_cursor, high=upto, now=now)
        return Crowd(people.filter(live_segments.is_member(entry)), is_new=is_new)
    # Earlier members joined by a change or a sweep, and enter by its signal.
    joined = live_segments.lock_members(entry, low=canvas.entry_cursor, high=upto)
    live_segments.fill(entry, low=canvas.entry_cursor, high=upto, now=now)
    members = live_segments.members(entry).filter(pk__gt=canvas.entry_cursor, pk__lte=upto)
    return Crowd(
        members.exclude(pk__in=live_changes.listed(joined)) if joined else members, is_new=is_new
    )


def subscription(canvas: Canvas) -> Subscription | None:
    """Return the subscription to the entry segment, if the canvas watches it.

    A canvas that is kept up to date does, and each that people leave with the segment.
    """
    mine = Subscription.objects.filter(listener=canvas.pk, role="entry", kind="segment")
    return mine.select_related("segment", "app_group").first()


def entering(canvas: Canvas, *, now: datetime) -> QuerySet[Profile]:
    """Return the profiles that a launch would admit: those of the segment who may enter."""
    if canvas.segment is None or not canvas.enters_in_crowds:
        return Profile.objects.none()
    people = filters.members(canvas.segment)
    entry = subscription(canvas)
    if entry is not None and not entry.is_leave_only:
        people = people.exclude(live_segments.is_member(entry))
    has_visits = Visit.objects.filter(canvas=canvas).exists()
    return _allowed(canvas, people, now=now, is_sure=False) if has_visits else people


def would_enter(canvas: Canvas, people: QuerySet[Profile], *, now: datetime) -> QuerySet[Profile]:
    """Return the people of `entering` without those that an exit segment or a cap keeps out."""
    people = _not_exited(canvas, people)
    room = _room(canvas, now=now)
    if room is None:
        return people
    # The lowest ids enter first.
    ids = people.order_by("pk").values_list("pk", flat=True)
    last = ids[room - 1 : room].first() if room else 0
    return people if last is None else people.filter(pk__lte=last)


def fitting(canvas: Canvas, *, now: datetime) -> QuerySet[Profile]:
    """Return the people who fit the entry now, also those who have been in the canvas.

    Without a segment, it is everybody of the app group: what happens lets them in.
    """
    if canvas.segment is None:
        people = Profile.objects.filter(app_group=canvas.app_group_id)
        return _not_exited(canvas, people.none() if canvas.enters_in_crowds else people)
    return _not_exited(canvas, filters.members(canvas.segment, now=now))


def admit_some(canvas_id: int, people: Iterable[int], *, now: datetime) -> int:
    """Admit the profiles that are in the entry segment and may enter; return how many.

    A canvas that people enter by API may do without a segment.
    """
    with transaction.atomic():
        canvas = rows.locked(canvas_id)
        if canvas is None or rows.first_step(canvas) is None:
            return 0
        if canvas.segment is None and canvas.entry_by != Canvas.EntryBy.CALL:
            return 0
        return enter(canvas, Crowd(in_segment(canvas, list(people), now=now)), now=now)


def in_segment(canvas: Canvas, ids: Sequence[int], *, now: datetime) -> QuerySet[Profile]:
    """Return those of these profiles that are in the entry segment; all without a segment.

    A watched segment has them as members from now on: who leaves it later is signalled.
    """
    if canvas.segment is None:
        return Profile.objects.filter(app_group=canvas.app_group_id, pk__in=ids)
    people = filters.members(canvas.segment).filter(pk__in=ids)
    if (entry := subscription(canvas)) is None:
        return people
    if entry.is_leave_only:
        live_segments.fill_some(entry, ids, now=now)
    return people.filter(live_segments.is_member(entry))


def admit_all(canvas_id: int) -> None:
    """Start admitting all profiles of the segment again, within the rules of re-entry."""
    live = Canvas.objects.filter(pk=canvas_id, state=Canvas.State.LIVE)
    group = live.values_list("app_group", flat=True).first()
    if live.update(entry_cursor=0, entry_until=highest_profile(group)):
        wake(rows.TASK)


def highest_profile(app_group_id: int | None) -> int:
    """Return the highest id of a profile of the group, 0 without one."""
    found = Profile.objects.filter(app_group=app_group_id).aggregate(last=Max("pk"))["last"]
    return found or 0


def enter(canvas: Canvas, crowd: Crowd, *, now: datetime) -> int:
    """Let a crowd enter within the rules of re-entry and caps; return how many entered.

    Call it in a transaction that holds the lock of the canvas.
    """
    first = rows.first_step(canvas)
    if first is None:
        return 0
    people = _not_exited(canvas, crowd.people)
    if not crowd.is_new:
        has_caps = canvas.cap_total is not None or canvas.cap_per_day is not None
        people = _allowed(canvas, people, now=now, is_sure=not has_caps)
    people = _capped(canvas, people, now=now)
    crowd = Crowd(people, crowd.signals, crowd.is_new)
    n = _begin(canvas, first, crowd, now=now)
    rows.count_entries(canvas, n, now=now)
    return n


@dataclass(frozen=True, slots=True)
class Bars:
    """What keeps one person out who is in the entry segment."""

    is_in_exit_segment: bool
    is_entry_repeated: bool
    is_full: bool


def bars(canvas: Canvas, profile: int, *, now: datetime) -> Bars:
    """Return what would keep a person out at a time, by the rules of `enter`. Only reads."""
    people = Profile.objects.filter(app_group=canvas.app_group_id, pk=profile)
    return Bars(
        is_in_exit_segment=not _not_exited(canvas, people, now=now).exists(),
        is_entry_repeated=not _allowed(canvas, people, now=now, is_sure=False).exists(),
        is_full=_room(canvas, now=now) == 0,
    )


def _not_exited(
    canvas: Canvas, people: QuerySet[Profile], *, now: datetime | None = None
) -> QuerySet[Profile]:
    for exit in canvas.exit_segments.select_related("segment"):
        people = people.exclude(pk__in=filters.members(exit.segment, now=now).values("pk"))
    return people


def _allowed(
    canvas: Canvas, people: QuerySet[Profile], *, now: datetime, is_sure: bool = True
) -> QuerySet[Profile]:
    """Return the people whose re-entry is allowed now.

    ``is_sure``: first entries of canvases without re-entry are kept once by the database.
    """
    visits = Visit.objects.filter(canvas=canvas, profile=OuterRef("pk"))
    if canvas.reentry == Canvas.Reentry.NEVER:
        return people if is_sure and not canvas.serial else people.exclude(Exists(visits))
    barring = Q(left_at=None)
    if canvas.reentry == Canvas.Reentry.DAYS:
        barring |= Q(entered_at__gt=now - timedelta(days=canvas.reentry_days or 1))
    return people.exclude(Exists(visits.filter(barring)))


def _capped(canvas: Canvas, people: QuerySet[Profile], *, now: datetime) -> QuerySet[Profile]:
    """Return at most as many people as the caps leave room for, and count the others."""
    room = _room(canvas, now=now)
    if room is None:
        return people
    n_asking = people.count()
    if n_asking <= room:
        return people
    Canvas.objects.filter(pk=canvas.pk).update(turned_away=F("turned_away") + n_asking - room)
    return people.filter(pk__in=list(people.order_by("pk").values_list("pk", flat=True)[:room]))


def _room(canvas: Canvas, *, now: datetime) -> int | None:
    """Return how many people may still enter; None without a cap."""
    rooms = []
    if canvas.cap_total is not None:
        rooms.append(canvas.cap_total - canvas.entered)
    if canvas.cap_per_day is not None:
        rooms.append(canvas.cap_per_day - rows.entered_today(canvas, now=now))
    return max(0, min(rooms)) if rooms else None


def _begin(canvas: Canvas, first: Step, crowd: Crowd, *, now: datetime) -> int:
    """Insert visits at the first step, or after it if all go on at once; return how many.

    A visit that does not wait is inserted once, after the step, instead of inserted and updated.
    """
    kind = KINDS[first.kind]
    is_passed = tuple(kind.branches(first)) == EVERYBODY
    if not is_passed or kind.due_on_arrival(first, now=now) > now:
        n = _insert(canvas, first, crowd, now=now)
        rows.count_arrivals(first, n, now=now)
        return n
    following = tree.following(rows.flow(canvas), first)
    before = _last_visit()
    n = _insert(canvas, following, crowd, trail=trails.passed(first, following), now=now)
    if n:
        first = rows.fresh(first.pk)
        # With both ends the database uses the index.
        visits = Visit.objects.filter(canvas=canvas, pk__gt=before, pk__lte=_last_visit())
        kind.act(first, visits, now=now)
    rows.count_arrivals(first, n, now=now)
    rows.count_move(first, following, n, now=now)
    return n


def _last_visit() -> int:
    return Visit.objects.aggregate(last=Max("pk"))["last"] or 0


def _insert(
    canvas: Canvas, place: Step | None, crowd: Crowd, *, trail: str = "", now: datetime
) -> int:
    """Insert visits at ``place``, or ended ones if it is None; return how many."""
    try:
        sql, params = crowd.people.order_by().values("id").query.sql_with_params()
    except EmptyResultSet:  # such as those of a full canvas
        return 0
    began_at = ""
    if crowd.signals is not None:
        # Joined: a subquery per person would read the signals of all for each.
        signals, more = crowd.signals.values("profile_id", "at").query.sql_with_params()
        began_at, params = _BEGAN_AT.format(signals=signals), (*params, *more)
    timestamp = connection.ops.adapt_datetimefield_value
    due_at = timestamp(KINDS[place.kind].due_on_arrival(place, now=now)) if place else None
    left_at = None if place else timestamp(now)
    is_once = canvas.reentry == Canvas.Reentry.NEVER
    statement = _ADMIT.format(
        visit=Visit._meta.db_table,
        people=sql,
        slot=0 if is_once else f"{canvas.serial} + row_number() OVER (ORDER BY people.id)",
        began="began.at" if began_at else "NULL",
        began_at=began_at,
        repeats="" if crowd.is_new else _LEAVE_ALONE,
    )
    at = timestamp(now)
    place_id, arrived_at = (place.pk, at) if place else (None, None)
    values = [canvas.pk, place_id, due_at, at, arrived_at, left_at, trail]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, *params])
        n: int = cursor.rowcount
    if n and not is_once:
        Canvas.objects.filter(pk=canvas.pk).update(serial=F("serial") + n)
        canvas.serial += n
    return n
