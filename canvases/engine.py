"""The engine of journeys: admits profiles to live canvases and moves due visits from step to step.

Visits of a canvas change only under the lock of its row, so the visits that were read are those
that move.
"""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from audiencesync.core import beat as clock
from audiencesync.groups.models import Activity, User
from audiencesync.people.models import Profile
from audiencesync.people.segments import filters
from canvases.models import Canvas, CanvasHour, Step, StepTally, Visit
from canvases.steps import KINDS

logger = logging.getLogger(__name__)
TASK = "canvases.engine.beat"
CROWD = 10_000
# Profiles admitted in one transaction: more would block other writers, fewer cost more each.
ADMITTED = 3 * CROWD

_ADMIT = """
INSERT INTO {visit} (canvas_id, profile_id, slot, step_id, due_at, entered_at, left_at)
SELECT %s, people.id, 0, %s, %s, %s, %s FROM ({people}) people WHERE true {repeats}
"""
_LEAVE_ALONE = "ON CONFLICT (profile_id, canvas_id, slot) DO NOTHING"


def beat() -> None:
    """Run as a task: move crowds for a bounded time, and schedule another run if work is left."""
    ends_at = time.monotonic() + settings.SYNC.flush_seconds
    while move_all(now=timezone.now()):
        if time.monotonic() > ends_at:
            clock.wake(TASK)
            return


def move_all(*, now: datetime) -> int:
    """Admit a crowd to each live canvas, move one from each due step; return how many."""
    live = Canvas.objects.filter(state=Canvas.State.LIVE, app_group__archived_at=None)
    entering = live.exclude(entry_until=None)
    due = Visit.objects.filter(step=OuterRef("pk"), left_at=None, due_at__lte=now)
    steps = Step.objects.filter(Exists(due), canvas__in=live)
    crowds: list[tuple[Callable[..., int], int]] = [
        (admit, pk) for pk in entering.values_list("pk", flat=True)
    ]
    crowds += [(advance, pk) for pk in steps.values_list("pk", flat=True)]
    return sum(_moved(move, pk, now=now) for move, pk in crowds)


def _moved(move: Callable[..., int], pk: int, *, now: datetime) -> int:
    """Move one crowd and return its size. An error in one canvas must not stop the others."""
    try:
        return move(pk, now=now)
    except (OperationalError, InterfaceError):
        raise  # the database is away or busy: the other canvases would fail as well
    except Exception:  # the edge of a loop
        logger.exception(
            "A crowd could not be moved (%s %s); the next beat tries again.", move.__name__, pk
        )
        return 0


def admit(canvas_id: int, *, now: datetime) -> int:
    """Admit the next profiles of the entry segment; return how many were read (0: all are in)."""
    with transaction.atomic():
        canvas = _locked(canvas_id)
        if canvas is None or canvas.entry_until is None or canvas.segment is None:
            return 0
        first = _children(canvas, None).first()
        if first is None:
            return 0
        people = filters.members(canvas.segment).filter(
            pk__gt=canvas.entry_cursor, pk__lte=canvas.entry_until
        )
        last = people.order_by("pk").values_list("pk", flat=True)[ADMITTED - 1 : ADMITTED].first()
        upto = last or canvas.entry_until
        crowd = people.filter(pk__lte=upto)
        between = Visit.objects.filter(
            canvas=canvas, profile_id__gt=canvas.entry_cursor, profile_id__lte=upto
        )
        n = _enter(canvas, first, crowd, is_new=not between.exists(), now=now)
        _count(canvas, n, now=now)
        Canvas.objects.filter(pk=canvas.pk).update(
            entry_cursor=upto, entry_until=canvas.entry_until if last else None
        )
    return ADMITTED if last else n


def entering(canvas: Canvas) -> QuerySet[Profile]:
    """Return the profiles that a launch would admit: those of the segment without a visit."""
    if canvas.segment is None:
        return Profile.objects.none()
    been = Visit.objects.filter(canvas=canvas, profile=OuterRef("pk"), slot=0)
    people = filters.members(canvas.segment)
    return people.exclude(Exists(been)) if Visit.objects.filter(canvas=canvas).exists() else people


def admit_some(canvas_id: int, people: Iterable[int], *, now: datetime) -> int:
    """Admit the profiles that are in the segment and have no visit; return how many."""
    with transaction.atomic():
        canvas = _locked(canvas_id)
        first = _children(canvas, None).first() if canvas else None
        if canvas is None or canvas.segment is None or first is None:
            return 0
        crowd = filters.members(canvas.segment).filter(pk__in=list(people))
        n = _enter(canvas, first, crowd, is_new=False, now=now)
        _count(canvas, n, now=now)
    return n


def admit_all(canvas_id: int) -> None:
    """Start admitting all profiles of the segment again. Those with a visit do not enter twice."""
    live = Canvas.objects.filter(pk=canvas_id, state=Canvas.State.LIVE)
    highest = Profile.objects.filter(app_group__canvases=canvas_id).aggregate(last=Max("pk"))[
        "last"
    ]
    if live.update(entry_cursor=0, entry_until=highest or 0):
        clock.wake(TASK)


def _count(canvas: Canvas, n: int, *, now: datetime) -> None:
    """Add ``n`` entries to the canvas and to its hour, and note the first and the last."""
    if not n:
        return
    Canvas.objects.filter(pk=canvas.pk).update(
        entered=F("entered") + n,
        first_entry_at=Coalesce("first_entry_at", Value(now)),
        last_entry_at=now,
    )
    hour, _is_new = CanvasHour.objects.get_or_create(
        canvas=canvas, hour=now.replace(minute=0, second=0, microsecond=0)
    )
    CanvasHour.objects.filter(pk=hour.pk).update(entered=F("entered") + n)


def _enter(
    canvas: Canvas, first: Step, people: QuerySet[Profile], *, is_new: bool, now: datetime
) -> int:
    """Insert visits at the first step, or after it if it makes no visit wait; return how many.

    A visit that does not wait is inserted once, after the step, instead of inserted and updated.
    """
    if KINDS[first.kind].due_on_arrival(first, now=now) > now:
        n = _insert(canvas, first, people, is_new=is_new, now=now)
        _arrive(first, n)
        return n
    following = _children(canvas, first).first()
    before = _last_visit()
    n = _insert(canvas, following, people, is_new=is_new, now=now)
    if n:
        first = _fresh(first.pk)
        # With both ends the database uses the index.
        crowd = Visit.objects.filter(canvas=canvas, pk__gt=before, pk__lte=_last_visit())
        KINDS[first.kind].act(first, crowd, now=now)
    _arrive(first, n)
    _pass(first, following, n)
    return n


def _last_visit() -> int:
    return Visit.objects.aggregate(last=Max("pk"))["last"] or 0


def _insert(
    canvas: Canvas, place: Step | None, people: QuerySet[Profile], *, is_new: bool, now: datetime
) -> int:
    """Insert visits at ``place``, or ended ones if it is None; return how many.

    ``is_new``: no profile has a visit yet, and none can get one under the lock of the canvas. Then
    PostgreSQL need not check for conflicts row by row, a third of its work.
    """
    sql, params = people.order_by().values("id").query.sql_with_params()
    timestamp = connection.ops.adapt_datetimefield_value
    due_at = timestamp(KINDS[place.kind].due_on_arrival(place, now=now)) if place else None
    left_at = None if place else timestamp(now)
    with connection.cursor() as cursor:
        statement = _ADMIT.format(
            visit=Visit._meta.db_table, people=sql, repeats="" if is_new else _LEAVE_ALONE
        )
        values = [canvas.pk, place.pk if place else None, due_at, timestamp(now), left_at]
        cursor.execute(statement, [*values, *params])
        n: int = cursor.rowcount
    return n


def advance(step_id: int, *, now: datetime) -> int:
    """Let a step act on its next due visits and move them on; return how many."""
    with transaction.atomic():
        step = Step.objects.select_related("canvas").get(pk=step_id)
        if _locked(step.canvas_id) is None:
            return 0
        crowd = _crowd(step, now=now)
        if crowd is None:
            return 0
        step = _fresh(step_id)
        KINDS[step.kind].act(step, crowd, now=now)
        following = _children(step.canvas, step).first()
        return _go_on(step, following, crowd, now=now)


def _crowd(step: Step, *, now: datetime) -> QuerySet[Visit] | None:
    """Return the longest due visits, at most CROWD, as a condition without a list of ids."""
    due = Visit.objects.filter(step=step, left_at=None, due_at__lte=now)
    last = due.order_by("due_at", "pk").values_list("due_at", "pk")[CROWD - 1 : CROWD].first()
    if last is None:
        return due if due.exists() else None
    due_at, pk = last
    return due.filter(due_at__lte=due_at).filter(Q(due_at__lt=due_at) | Q(pk__lte=pk))


def _go_on(step: Step, following: Step | None, crowd: QuerySet[Visit], *, now: datetime) -> int:
    """Move visits to the next step, or out of the canvas; return how many.

    The tallies move by the number of rows that changed.
    """
    if following is None:
        n = crowd.update(step=None, due_at=None, left_at=now)
    else:
        n = crowd.update(
            step=following, due_at=KINDS[following.kind].due_on_arrival(following, now=now)
        )
    _pass(step, following, n)
    return n


def _pass(step: Step, following: Step | None, n: int) -> None:
    """Count ``n`` visits from a step to the next one, or out of the canvas."""
    if following is None:
        _leave(step, n, to="exited")
    else:
        _leave(step, n, to="proceeded")
        _arrive(following, n)


def _arrive(step: Step, n: int) -> None:
    StepTally.objects.bulk_create([StepTally(step=step)], ignore_conflicts=True)
    StepTally.objects.filter(step=step).update(entered=F("entered") + n, waiting=F("waiting") + n)


def _leave(step: Step, n: int, *, to: str) -> None:
    StepTally.objects.filter(step=step).update(waiting=F("waiting") - n, **{to: F(to) + n})


def _children(canvas: Canvas, parent: Step | None) -> QuerySet[Step]:
    return Step.objects.filter(canvas=canvas, parent=parent, removed_at=None)


def _fresh(step_id: int) -> Step:
    """Read a step again under the lock, with the rows that its `act` reads."""
    way = "sync__audience__ad_account__connection"
    return Step.objects.select_related("canvas", way).get(pk=step_id)


def hold(canvas_id: int) -> bool:
    """Lock a canvas in the caller's transaction; return whether it is live.

    Locks are taken in this order everywhere: canvases, then profiles.
    """
    return _locked(canvas_id) is not None


def _locked(canvas_id: int) -> Canvas | None:
    """Return the canvas under its row lock; None if it is not live."""
    live = Canvas.objects.select_for_update(of=("self",)).select_related("segment")
    return live.filter(pk=canvas_id, state=Canvas.State.LIVE).first()


def launch(canvas: Canvas, *, by: User, now: datetime) -> bool:
    """Set a draft or stopped canvas live and wake the engine; return False if it is neither.

    The caller has checked the blockers. Profiles with a visit do not enter again.
    """
    startable = Canvas.objects.filter(state__in=[Canvas.State.DRAFT, Canvas.State.STOPPED])
    ready = startable.filter(pk=canvas.pk, app_group__archived_at=None)
    with transaction.atomic():
        highest = Profile.objects.filter(app_group=canvas.app_group_id).aggregate(last=Max("pk"))[
            "last"
        ]
        launched = ready.update(
            state=Canvas.State.LIVE,
            launched_at=now,
            stopped_at=None,
            entry_cursor=0,
            entry_until=highest or 0,
        )
        if launched:
            canvas.refresh_from_db()
            for kind in KINDS.values():
                kind.on_launched(canvas)
            Activity.log(
                canvas.app_group, by, Activity.Verb.LAUNCHED, canvas.name, kind=Activity.Kind.CANVAS
            )
            clock.wake(TASK)
    return bool(launched)


def stop(canvas: Canvas, *, by: User, now: datetime) -> bool:
    """Stop a live canvas; return False if it is not live. Pending adds pause, removals go on."""
    with transaction.atomic():
        stopped = Canvas.objects.filter(pk=canvas.pk, state=Canvas.State.LIVE).update(
            state=Canvas.State.STOPPED, stopped_at=now
        )
        if stopped:
            canvas.refresh_from_db()
            for kind in KINDS.values():
                kind.on_stopped(canvas)
            Activity.log(
                canvas.app_group, by, Activity.Verb.STOPPED, canvas.name, kind=Activity.Kind.CANVAS
            )
    return bool(stopped)
