"""All laws in one snapshot: those of the queue, and those of the journeys."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection
from django.db.models import Count, F, Q, Sum

from canvases.models import Canvas, StepTally, Visit
from partners import laws as queue_laws


def broken(*, now: datetime) -> list[str]:
    """One sentence per broken law, read from one snapshot of the database; empty when all is well."""
    with _snapshot():
        return [*queue_laws.broken(now=now), *_steps(), *_canvases()]


@contextmanager
def _snapshot() -> Iterator[None]:
    """A transaction that sees one state and, unlike ours that write, keeps nobody from writing in SQLite."""
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
    """L4: entered = proceeded + exited + waiting, waiting is who is there, and who entered a Sync entered its step."""
    wrong = ~Q(entered=F("proceeded") + F("exited") + F("waiting"))
    for tally in StepTally.objects.filter(wrong):
        yield f"L4 step {tally.pk}: entered {tally.entered} is not proceeded + exited + waiting"
    there = dict(
        Visit.objects.filter(left_at=None).values_list("step").annotate(n=Count("pk")).order_by()
    )
    for tally in StepTally.objects.select_related("step"):
        if tally.waiting != there.get(tally.pk, 0):
            yield f"L4 step {tally.pk}: the tally says {tally.waiting} wait there, the visits say {there.get(tally.pk, 0)}"
    went = F("step__syncs__tally__entered") - F(
        "step__syncs__tally__moved"
    )  # who was moved has entered twice
    synced = StepTally.objects.filter(step__syncs__isnull=False).annotate(sent=Sum(went))
    for tally in synced:
        if tally.entered - tally.waiting != (tally.sent or 0):
            yield f"L4 step {tally.pk}: {tally.entered - tally.waiting} left it, its Syncs say {tally.sent or 0} entered"


def _canvases() -> Iterator[str]:
    """Who entered a canvas is inside or has left."""
    for canvas in Canvas.objects.annotate(n=Count("visits")).exclude(entered=F("n")):
        yield f"L4 canvas {canvas.pk}: {canvas.entered} entered, there are {canvas.n} visits"
    for counted in Canvas.objects.annotate(hours_sum=Sum("hours__entered", default=0)).exclude(
        entered=F("hours_sum")
    ):
        yield f"L4 canvas {counted.pk}: {counted.entered} entered, by the hours {counted.hours_sum}"
