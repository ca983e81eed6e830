"""Invariants of the counters, checked in one snapshot: those of the queue and those of journeys.

The numbers L1 to L8 are those of docs/reliability.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain

from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q, Sum

from audiencesync.people.models.live import ChangedProfile, SegmentMember, Signal, Subscription
from canvases.engine import admission, exits
from canvases.models import Canvas, ExitTally, Step, StepTally, Visit
from canvases.steps import KINDS
from partners import laws as queue_laws


def broken(*, now: datetime) -> list[str]:
    """Return one sentence per broken invariant; empty if all hold."""
    with _snapshot():
        of_journeys = (_steps(), _branches(), _visits(), _canvases(), _exits(), _mirrors())
        return [*queue_laws.broken(now=now), *chain(*of_journeys)]


@contextmanager
def _snapshot() -> Iterator[None]:
    """Open a transaction that reads one state and, in SQLite, takes no write lock."""
    if connection.in_atomic_block:
        yield
        return
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute(
            "BEGIN DEFERRED" if is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        )
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def _steps() -> Iterator[str]:
    """Check L4 of steps: entered is the sum of the other numbers, and tallies equal the rows."""
    wrong = ~Q(entered=F("proceeded") + F("exited") + F("withdrawn") + F("waiting"))
    for tally in StepTally.objects.filter(wrong):
        yield (
            f"L4 step {tally.pk}: entered {tally.entered} is not"
            " proceeded + exited + withdrawn + waiting"
        )
    n_waiting_at = dict(
        Visit.objects.filter(left_at=None).values_list("step").annotate(n=Count("pk")).order_by()
    )
    for tally in StepTally.objects.select_related("step"):
        if tally.waiting != n_waiting_at.get(tally.pk, 0):
            tallied, n = tally.waiting, n_waiting_at.get(tally.pk, 0)
            yield f"L4 step {tally.pk}: the tally says {tallied} wait there, the visits say {n}"
        if n_waiting_at.get(tally.pk) and tally.step.removed_at and not tally.step.is_clearing:
            yield f"L4 step {tally.pk}: {n_waiting_at[tally.pk]} wait there, but it was removed"
    # A delivery that was moved to another Sync has entered both Syncs.
    n_entered = F("step__syncs__tally__entered") - F("step__syncs__tally__moved")
    synced = StepTally.objects.filter(step__syncs__isnull=False).annotate(sent=Sum(n_entered))
    for tally in synced:
        n = tally.entered - tally.waiting - tally.withdrawn
        if n != (tally.sent or 0):
            yield f"L4 step {tally.pk}: {n} passed it, its Syncs say {tally.sent or 0} entered"


def _branches() -> Iterator[str]:
    """Check L4 of splits: all visits that went on or left took one of the branches."""
    splits = [key for key, kind in KINDS.items() if kind.splits]
    took = Sum("step__branch_tallies__n", default=0)
    for tally in StepTally.objects.filter(step__kind__in=splits).annotate(took=took):
        n = tally.proceeded + tally.exited
        if n != tally.took:
            yield f"L4 step {tally.pk}: {n} came out of the split, its branches say {tally.took}"


def _visits() -> Iterator[str]:
    """Check L4 of visits: an open visit is at a step, one that is over is at none."""
    if n := Visit.objects.filter(left_at=None, step=None).count():
        yield f"L4: {n} visits are not over, but at no step"
    # A crowd is chosen by its step alone, so it would include visits that are over.
    if n := Visit.objects.filter(left_at__isnull=False, step__isnull=False).count():
        yield f"L4: {n} visits are over, but at a step"


def _canvases() -> Iterator[str]:
    """Check L4 of canvases: entries equal visits, and the sum of the hours and of their base."""
    for canvas in Canvas.objects.annotate(n=Count("visits")).exclude(entered=F("n")):
        yield f"L4 canvas {canvas.pk}: {canvas.entered} entered, there are {canvas.n} visits"
    by_hour = F("hours_base") + Sum("hours__entered", default=0)
    for counted in Canvas.objects.annotate(hours_sum=by_hour).exclude(entered=F("hours_sum")):
        yield f"L4 canvas {counted.pk}: {counted.entered} entered, by the hours {counted.hours_sum}"


def _exits() -> Iterator[str]:
    """Check L4 of early exits: the tally of each reason counts the visits that ended by it."""
    early = Visit.objects.exclude(left_by=None).order_by()
    rows = early.values_list("canvas", "left_by").annotate(n=Count("pk"))
    n_visits_of = {(canvas, reason): n for canvas, reason, n in rows}
    tallies = ExitTally.objects.values_list("canvas", "reason", "n")
    tally_of = {(canvas, reason): n for canvas, reason, n in tallies if n}
    for canvas, reason in sorted(n_visits_of.keys() | tally_of.keys()):
        n, tallied = n_visits_of.get((canvas, reason), 0), tally_of.get((canvas, reason), 0)
        if n != tallied:
            yield f"L4 canvas {canvas}: {tallied} left by {reason}, the visits say {n}"


def _mirrors() -> Iterator[str]:
    """Check L8 of canvases without signals to process: the audience has the segment's members.

    Members may be missing from the audience behind a delay, a cap or an exit, and where the
    subscription only watches who leaves the segment.
    """
    quiet = Canvas.objects.filter(
        ~Exists(Signal.objects.filter(listener=OuterRef("pk"))),
        ~Exists(ChangedProfile.objects.filter(app_group=OuterRef("app_group"))),
        state=Canvas.State.LIVE,
        entry_until=None,
    )
    for canvas in quiet:
        steps, entry = exits.removing_steps(canvas), admission.entry_subscription(canvas)
        if steps and entry is not None:
            yield from _mirror(canvas, steps, entry)


def _mirror(canvas: Canvas, steps: list[Step], entry: Subscription) -> Iterator[str]:
    members = SegmentMember.objects.filter(subscription=entry)
    added = exits.standing_adds(steps)
    strangers = added.filter(~Exists(members.filter(profile=OuterRef("profile")))).count()
    if strangers:
        yield f"L8 canvas {canvas.pk}: {strangers} adds stand of people outside its segment"
    is_direct = any(step.parent_id is None for step in steps)
    may_miss = canvas.cap_total is not None or canvas.cap_per_day is not None
    may_miss |= entry.is_leave_only
    if not is_direct or may_miss or canvas.exits or canvas.exit_segments.exists():
        return
    add_of_member = added.filter(profile=OuterRef("profile"))
    missing = members.exclude(fingerprint="").filter(~Exists(add_of_member)).count()
    if missing:
        yield f"L8 canvas {canvas.pk}: {missing} members of its segment were not added"
