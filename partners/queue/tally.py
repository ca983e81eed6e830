"""Move the counts of a Sync, inside the transaction that changes the rows they count."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime

from django.db import connection, transaction
from django.db.models import F

from partners.models import Tally, TallyDay, TallyHour
from partners.models.tallies import COLUMNS

# ruff: noqa: S608  # every statement is made of our own names of tables and columns

_HOUR = """
INSERT INTO {table} (sync_id, hour, {columns}) VALUES (%s, %s, {marks})
ON CONFLICT (sync_id, hour) DO UPDATE SET {sums}
RETURNING (SELECT MAX(day) FROM {days} d WHERE d.sync_id = {table}.sync_id)
""".format(
    table=TallyHour._meta.db_table,
    days=TallyDay._meta.db_table,
    columns=", ".join(COLUMNS),
    marks=", ".join(["%s"] * len(COLUMNS)),
    sums=", ".join(
        f"{name} = {TallyHour._meta.db_table}.{name} + excluded.{name}" for name in COLUMNS
    ),
)


_DAY = """
INSERT INTO {days} (sync_id, day, {columns}) SELECT sync_id, %s, {before} FROM {table}
WHERE sync_id = %s
""".format(
    days=TallyDay._meta.db_table,
    table=Tally._meta.db_table,
    columns=", ".join(COLUMNS),
    before=", ".join(f"{name} - %s" for name in COLUMNS),
)


class Moves(dict[int, dict[str, int]]):
    """Changes of the counts: Sync id -> {count: how many more}."""

    def add(self, sync_id: int, **step: int) -> None:
        """Add to the counts of a Sync."""
        mine = self.setdefault(sync_id, {})
        for name, by in step.items():
            mine[name] = mine.get(name, 0) + by

    def shift(self, sync_id: int, n: int, *, to: str, out_of: str = "pending") -> None:
        """Move ``n`` people of a Sync from one count to another."""
        self.add(sync_id, **{out_of: -n})
        self.add(sync_id, **{to: n})


_gathering: ContextVar[Moves | None] = ContextVar("gathering", default=None)


@contextmanager
def gathered(*, now: datetime) -> Iterator[Moves]:
    """Open a transaction that changes its tallies last, in the order of their ids.

    So two transactions cannot deadlock on tallies. Inside another one, the outer one does it.
    """
    outer = _gathering.get()
    if outer is not None:
        yield outer
        return
    with transaction.atomic():
        moves = Moves()
        token = _gathering.set(moves)
        try:
            yield moves
        finally:
            _gathering.reset(token)
        _apply(moves, now=now)


def _apply(moves: Moves, *, now: datetime) -> None:
    for sync_id in sorted(moves):
        step = {name: by for name, by in moves[sync_id].items() if by}
        if not step:
            continue
        changes = {name: F(name) + by for name, by in step.items()}
        if not Tally.objects.filter(pk=sync_id).update(**changes):
            Tally.objects.bulk_create([Tally(pk=sync_id)], ignore_conflicts=True)
            Tally.objects.filter(pk=sync_id).update(**changes)
        _move_hour(sync_id, step, now=now)


def _move_hour(sync_id: int, step: Mapping[str, int], *, now: datetime) -> None:
    """Add to the hour, and begin its day if it is the first change of the day.

    The tally is locked by its change, so no one else does it for the same Sync.
    """
    hour = connection.ops.adapt_datetimefield_value(now.replace(minute=0, second=0, microsecond=0))
    day = now.astimezone(UTC).date()
    on = connection.ops.adapt_datefield_value(day)
    moved = [step.get(name, 0) for name in COLUMNS]
    with connection.cursor() as cursor:
        cursor.execute(_HOUR, [sync_id, hour, *moved])
        [(newest,)] = cursor.fetchall()
        if newest is None or newest < on:
            cursor.execute(_DAY, [on, *moved, sync_id])
        elif newest > on:
            _correct_days(sync_id, step, day=day)


def _correct_days(sync_id: int, step: Mapping[str, int], *, day: date) -> None:
    """Add a change that comes after the first ones of later days: by a clock, or at midnight."""
    days = TallyDay.objects.filter(sync=sync_id)
    later = days.filter(day__gt=day).order_by("day")
    if not days.filter(day=day).exists():
        said = later.values(*COLUMNS)[0]
        TallyDay.objects.create(sync_id=sync_id, day=day, **said)
    later.update(**{name: F(name) + by for name, by in step.items()})
