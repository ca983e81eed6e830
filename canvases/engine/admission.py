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

# Profiles that one transaction reads. With more, other writers would wait too long; with fewer,
# each profile takes more time.
ADMISSION_CHUNK = 30_000

_INSERT_VISITS = """
INSERT INTO {visit}
    (canvas_id, profile_id, slot, step_id, due_at, entered_at, arrived_at, left_at, trail, began_at)
SELECT %s, people.id, {slot}, %s, %s, %s, %s, %s, %s, {began}
FROM ({people}) people {join} WHERE true {on_conflict}
"""
_JOIN_SIGNALS = "JOIN ({signals}) began ON began.profile_id = people.id"
_SKIP_CONFLICTS = "ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class Entrants:
    """People who may enter. ``signals``: one for each person, with the time of the entry event.

    ``is_new``: none of them has a visit yet, and none can get one under the lock of the canvas.
    Then PostgreSQL need not check for conflicts row by row, which is a third of its work.
    """

    people: QuerySet[Profile]
    signals: QuerySet[Signal] | None = None
    is_new: bool = False


def admit(canvas_id: int, *, now: datetime) -> int:
    """Admit the next profiles of the entry segment.

    Return the number of profiles read, which is above 0; for the last chunk, the number that
    entered.
    """
    with transaction.atomic():
        canvas = rows.locked_live(canvas_id)
        if canvas is None or canvas.entry_until is None or canvas.segment is None:
            return 0
        if rows.first_step(canvas) is None:
            return 0
        people = filters.members(canvas.segment).filter(
            pk__gt=canvas.entry_cursor, pk__lte=canvas.entry_until
        )
        ids = people.order_by("pk").values_list("pk", flat=True)
        # The last id of a full chunk; None if fewer profiles are left.
        chunk_end = ids[ADMISSION_CHUNK - 1 : ADMISSION_CHUNK].first()
        upto = chunk_end or canvas.entry_until
        entrants = _entrants(canvas, people.filter(pk__lte=upto), upto=upto, now=now)
        n = enter(canvas, entrants, now=now)
        Canvas.objects.filter(pk=canvas.pk).update(
            entry_cursor=upto, entry_until=canvas.entry_until if chunk_end else None
        )
    return ADMISSION_CHUNK if chunk_end else n


def _entrants(canvas: Canvas, people: QuerySet[Profile], *, upto: int, now: datetime) -> Entrants:
    """Return the profiles up to an id; with a subscription, those that are its members now.

    Members are stored before they enter, so that each later change of the segment gives a signal.
    """
    earlier_visits = Visit.objects.filter(
        canvas=canvas, profile_id__gt=canvas.entry_cursor, profile_id__lte=upto
    )
    is_new = not earlier_visits.exists()
    subscription = entry_subscription(canvas)
    if subscription is None:
        return Entrants(people, is_new=is_new)
    if subscription.is_leave_only:
        live_segments.fill(subscription, low=canvas.entry_cursor, high=upto, now=now)
        return Entrants(people.filter(live_segments.is_member_q(subscription)), is_new=is_new)
    # People who are members already do not enter here: each has a JOINED signal that is still to
    # be processed.
    member_ids = live_segments.lock_members(subscription, low=canvas.entry_cursor, high=upto)
    live_segments.fill(subscription, low=canvas.entry_cursor, high=upto, now=now)
    members = live_segments.members(subscription).filter(pk__gt=canvas.entry_cursor, pk__lte=upto)
    return Entrants(
        members.exclude(pk__in=live_changes.ids_sql(member_ids)) if member_ids else members,
        is_new=is_new,
    )


def entry_subscription(canvas: Canvas) -> Subscription | None:
    """Return the subscription to the entry segment, if the canvas has one.

    A canvas has one if it is kept up to date with the segment, or if people leave the canvas (or
    its audiences) when they leave the segment.
    """
    subscriptions = Subscription.objects.filter(listener=canvas.pk, role="entry", kind="segment")
    return subscriptions.select_related("segment", "app_group").first()


def entry_candidates(canvas: Canvas, *, now: datetime) -> QuerySet[Profile]:
    """Return the profiles of the segment whom the re-entry rule lets enter at a launch.

    Exit segments and caps are left to `would_enter`.
    """
    if canvas.segment is None or not canvas.enters_in_crowds:
        return Profile.objects.none()
    people = filters.members(canvas.segment)
    subscription = entry_subscription(canvas)
    if subscription is not None and not subscription.is_leave_only:
        people = people.exclude(live_segments.is_member_q(subscription))
    has_visits = Visit.objects.filter(canvas=canvas).exists()
    return (
        _reentry_allowed(canvas, people, now=now, db_drops_repeats=False) if has_visits else people
    )


def would_enter(canvas: Canvas, people: QuerySet[Profile], *, now: datetime) -> QuerySet[Profile]:
    """Return the people of `entry_candidates` whom no exit segment and no cap keeps out."""
    people = _outside_exit_segments(canvas, people)
    room = _room(canvas, now=now)
    if room is None:
        return people
    # The lowest ids enter first.
    ids = people.order_by("pk").values_list("pk", flat=True)
    last_id = ids[room - 1 : room].first() if room else 0
    return people if last_id is None else people.filter(pk__lte=last_id)


def eligible_people(canvas: Canvas, *, now: datetime) -> QuerySet[Profile]:
    """Return the people who meet the entry conditions now, even if they were in the canvas before.

    Without a segment these are all people of the app group, as an event or a call lets them in.
    """
    if canvas.segment is None:
        people = Profile.objects.filter(app_group=canvas.app_group_id)
        return _outside_exit_segments(canvas, people.none() if canvas.enters_in_crowds else people)
    return _outside_exit_segments(canvas, filters.members(canvas.segment, now=now))


def admit_some(canvas_id: int, people: Iterable[int], *, now: datetime) -> int:
    """Admit those of these profiles that are in the entry segment and may enter; return how many.

    A canvas that people enter by API may do without a segment.
    """
    with transaction.atomic():
        canvas = rows.locked_live(canvas_id)
        if canvas is None or rows.first_step(canvas) is None:
            return 0
        if canvas.segment is None and canvas.entry_by != Canvas.EntryBy.CALL:
            return 0
        return enter(canvas, Entrants(in_segment(canvas, list(people), now=now)), now=now)


def in_segment(canvas: Canvas, ids: Sequence[int], *, now: datetime) -> QuerySet[Profile]:
    """Return those of these profiles that are in the entry segment; all if there is no segment.

    A subscription that only watches who leaves stores them as members first, so that a signal says
    when they leave.
    """
    if canvas.segment is None:
        return Profile.objects.filter(app_group=canvas.app_group_id, pk__in=ids)
    people = filters.members(canvas.segment).filter(pk__in=ids)
    if (subscription := entry_subscription(canvas)) is None:
        return people
    if subscription.is_leave_only:
        live_segments.fill_some(subscription, ids, now=now)
    return people.filter(live_segments.is_member_q(subscription))


def admit_all(canvas_id: int) -> None:
    """Start admitting all profiles of the segment again, within the rules of re-entry."""
    live = Canvas.objects.filter(pk=canvas_id, state=Canvas.State.LIVE)
    group = live.values_list("app_group", flat=True).first()
    if live.update(entry_cursor=0, entry_until=highest_profile(group)):
        wake(rows.TASK)


def highest_profile(app_group_id: int | None) -> int:
    """Return the highest id of a profile of the group, 0 without one."""
    highest = Profile.objects.filter(app_group=app_group_id).aggregate(last=Max("pk"))["last"]
    return highest or 0


def enter(canvas: Canvas, entrants: Entrants, *, now: datetime) -> int:
    """Let a crowd enter within the rules of re-entry and caps; return how many entered.

    Call it in a transaction that holds the lock of the canvas.
    """
    first = rows.first_step(canvas)
    if first is None:
        return 0
    people = _outside_exit_segments(canvas, entrants.people)
    if not entrants.is_new:
        has_caps = canvas.cap_total is not None or canvas.cap_per_day is not None
        people = _reentry_allowed(canvas, people, now=now, db_drops_repeats=not has_caps)
    people = _within_caps(canvas, people, now=now)
    entrants = Entrants(people, entrants.signals, entrants.is_new)
    n = _begin(canvas, first, entrants, now=now)
    rows.count_entries(canvas, n, now=now)
    return n


@dataclass(frozen=True, slots=True)
class EntryBarriers:
    """What keeps a member of the entry segment out of the canvas."""

    is_in_exit_segment: bool
    is_entry_repeated: bool
    is_full: bool


def entry_barriers(canvas: Canvas, profile: int, *, now: datetime) -> EntryBarriers:
    """Return what would keep a person out at a time, by the rules of `enter`. Only reads."""
    people = Profile.objects.filter(app_group=canvas.app_group_id, pk=profile)
    return EntryBarriers(
        is_in_exit_segment=not _outside_exit_segments(canvas, people, now=now).exists(),
        is_entry_repeated=not _reentry_allowed(
            canvas, people, now=now, db_drops_repeats=False
        ).exists(),
        is_full=_room(canvas, now=now) == 0,
    )


def _outside_exit_segments(
    canvas: Canvas, people: QuerySet[Profile], *, now: datetime | None = None
) -> QuerySet[Profile]:
    for row in canvas.exit_segments.select_related("segment"):
        people = people.exclude(pk__in=filters.members(row.segment, now=now).values("pk"))
    return people


def _reentry_allowed(
    canvas: Canvas, people: QuerySet[Profile], *, now: datetime, db_drops_repeats: bool = True
) -> QuerySet[Profile]:
    """Return the people whom the re-entry rule lets enter now.

    ``db_drops_repeats``: the caller inserts visits, and where each person enters once, a unique
    constraint drops repeated ones. Do not rely on it to count people.
    """
    visits = Visit.objects.filter(canvas=canvas, profile=OuterRef("pk"))
    if canvas.reentry == Canvas.Reentry.NEVER:
        # Visits that began while re-entry was allowed have other slots: the constraint would not
        # find them.
        drops_all = db_drops_repeats and not canvas.serial
        return people if drops_all else people.exclude(Exists(visits))
    blocking_q = Q(left_at=None)
    if canvas.reentry == Canvas.Reentry.DAYS:
        blocking_q |= Q(entered_at__gt=now - timedelta(days=canvas.reentry_days or 1))
    return people.exclude(Exists(visits.filter(blocking_q)))


def _within_caps(canvas: Canvas, people: QuerySet[Profile], *, now: datetime) -> QuerySet[Profile]:
    """Return at most as many people as the caps leave room for; count the others as turned away."""
    room = _room(canvas, now=now)
    if room is None:
        return people
    n_people = people.count()
    if n_people <= room:
        return people
    Canvas.objects.filter(pk=canvas.pk).update(turned_away=F("turned_away") + n_people - room)
    return people.filter(pk__in=list(people.order_by("pk").values_list("pk", flat=True)[:room]))


def _room(canvas: Canvas, *, now: datetime) -> int | None:
    """Return how many people may still enter; None without a cap."""
    entries_left = []
    if canvas.cap_total is not None:
        entries_left.append(canvas.cap_total - canvas.entered)
    if canvas.cap_per_day is not None:
        entries_left.append(canvas.cap_per_day - rows.entered_today(canvas, now=now))
    return max(0, min(entries_left)) if entries_left else None


def _begin(canvas: Canvas, first: Step, entrants: Entrants, *, now: datetime) -> int:
    """Insert visits at the first step; return how many.

    If all people go on at once and by one branch, insert them behind the step and let it act on
    them there: one write for each visit instead of two.
    """
    kind = KINDS[first.kind]
    is_unsplit = tuple(kind.branches(first)) == EVERYBODY
    if not is_unsplit or kind.due_on_arrival(first, now=now) > now:
        n = _insert(canvas, first, entrants, now=now)
        rows.count_arrivals(first, n, now=now)
        return n
    following = tree.following(rows.active_steps(canvas), first)
    last_id_before = _last_visit()
    n = _insert(canvas, following, entrants, trail=trails.passed_mark(first, following), now=now)
    if n:
        first = rows.reread_step(first.pk)
        # With both ends of the range given, the database uses the primary key.
        visits = Visit.objects.filter(canvas=canvas, pk__gt=last_id_before, pk__lte=_last_visit())
        kind.act(first, visits, now=now)
    rows.count_arrivals(first, n, now=now)
    rows.count_move(first, following, n, now=now)
    return n


def _last_visit() -> int:
    return Visit.objects.aggregate(last=Max("pk"))["last"] or 0


def _insert(
    canvas: Canvas, step: Step | None, entrants: Entrants, *, trail: str = "", now: datetime
) -> int:
    """Insert visits at ``step``, or ended ones if it is None; return how many."""
    try:
        sql, params = entrants.people.order_by().values("id").query.sql_with_params()
    except EmptyResultSet:  # Django knows that there are no people, as in a full canvas
        return 0
    signals_join = ""
    if entrants.signals is not None:
        # Join the signals: a subquery would read the signals of all people once for each person.
        signals, signal_params = entrants.signals.values("profile_id", "at").query.sql_with_params()
        signals_join, params = _JOIN_SIGNALS.format(signals=signals), (*params, *signal_params)
    timestamp = connection.ops.adapt_datetimefield_value
    due_at = timestamp(KINDS[step.kind].due_on_arrival(step, now=now)) if step else None
    left_at = None if step else timestamp(now)
    enters_once = canvas.reentry == Canvas.Reentry.NEVER
    statement = _INSERT_VISITS.format(
        visit=Visit._meta.db_table,
        people=sql,
        slot=0 if enters_once else f"{canvas.serial} + row_number() OVER (ORDER BY people.id)",
        began="began.at" if signals_join else "NULL",
        join=signals_join,
        on_conflict="" if entrants.is_new else _SKIP_CONFLICTS,
    )
    now_param = timestamp(now)
    step_id, arrived_at = (step.pk, now_param) if step else (None, None)
    values = [canvas.pk, step_id, due_at, now_param, arrived_at, left_at, trail]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, *params])
        n: int = cursor.rowcount
    if n and not enters_once:
        Canvas.objects.filter(pk=canvas.pk).update(serial=F("serial") + n)
        canvas.serial += n
    return n
