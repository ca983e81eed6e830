"""Change the counts of a Sync, inside the transaction that changes the rows they count."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime

from django.db import connection, transaction
from django.db.models import F

from partners.models import Tally, TallyDay, TallyHour
from partners.models.tallies import COLUMNS

# ruff: noqa: S608  # every statement is made of our own names of tables and columns

# The statement also returns the newest day of the Sync, so that most changes need no other query.
_ADD_TO_HOUR = """
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


# The tally has the change already. Subtracted again, it gives the counts when the day began.
_BEGIN_DAY = """
INSERT INTO {days} (sync_id, day, {columns}) SELECT sync_id, %s, {before} FROM {table}
WHERE sync_id = %s
""".format(
    days=TallyDay._meta.db_table,
    table=Tally._meta.db_table,
    columns=", ".join(COLUMNS),
    before=", ".join(f"{name} - %s" for name in COLUMNS),
)


class Changes(dict[int, dict[str, int]]):
    """Changes of the counts: Sync id -> {name of the count: how many more}."""

    def add(self, sync_id: int, **deltas: int) -> None:
        """Add to the counts of a Sync."""
        total = self.setdefault(sync_id, {})
        for name, delta in deltas.items():
            total[name] = total.get(name, 0) + delta

    def shift(self, sync_id: int, n: int, *, to: str, out_of: str = "pending") -> None:
        """Move ``n`` people of a Sync from one count to another."""
        self.add(sync_id, **{out_of: -n})
        self.add(sync_id, **{to: n})


_open_changes: ContextVar[Changes | None] = ContextVar("open_changes", default=None)


@contextmanager
def atomic(*, now: datetime) -> Iterator[Changes]:
    """Open a transaction that changes the tallies last, in the order of their ids.

    So two transactions cannot deadlock on tallies. Of nested blocks, only the outermost one changes
    the tallies, at its end.
    """
    outer = _open_changes.get()
    if outer is not None:
        yield outer
        return
    with transaction.atomic():
        changes = Changes()
        token = _open_changes.set(changes)
        try:
            yield changes
        finally:
            _open_changes.reset(token)
        _apply(changes, now=now)


def _apply(changes: Changes, *, now: datetime) -> None:
    for sync_id in sorted(changes):
        deltas = {name: delta for name, delta in changes[sync_id].items() if delta}
        if not deltas:
            continue
        sums = {name: F(name) + delta for name, delta in deltas.items()}
        if not Tally.objects.filter(pk=sync_id).update(**sums):
            Tally.objects.bulk_create([Tally(pk=sync_id)], ignore_conflicts=True)
            Tally.objects.filter(pk=sync_id).update(**sums)
        _add_to_hour(sync_id, deltas, now=now)


def _add_to_hour(sync_id: int, deltas: Mapping[str, int], *, now: datetime) -> None:
    """Add to the hour, and begin its day if it is the first change of the day.

    The update of the tally has locked it, so no other transaction does this for the same Sync.
    """
    hour = connection.ops.adapt_datetimefield_value(now.replace(minute=0, second=0, microsecond=0))
    day = now.astimezone(UTC).date()
    day_param = connection.ops.adapt_datefield_value(day)
    values = [deltas.get(name, 0) for name in COLUMNS]
    with connection.cursor() as cursor:
        cursor.execute(_ADD_TO_HOUR, [sync_id, hour, *values])
        [(newest,)] = cursor.fetchall()
        # On each database, the newest day and the parameter have the same type.
        if newest is None or newest < day_param:
            cursor.execute(_BEGIN_DAY, [day_param, *values, sync_id])
        elif newest > day_param:
            _correct_days(sync_id, deltas, day=day)


def _correct_days(sync_id: int, deltas: Mapping[str, int], *, day: date) -> None:
    """Add a change to the days after ``day``, begun by a wrong clock or since midnight."""
    days = TallyDay.objects.filter(sync=sync_id)
    later = days.filter(day__gt=day).order_by("day")
    if not days.filter(day=day).exists():
        # Nothing changed on ``day``, so the next stored day began with the same counts.
        counts = later.values(*COLUMNS)[0]
        TallyDay.objects.create(sync_id=sync_id, day=day, **counts)
    later.update(**{name: F(name) + delta for name, delta in deltas.items()})
