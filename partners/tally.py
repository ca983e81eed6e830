"""The one place that moves the counts of a Sync, inside the transaction that moves the rows they count."""

from collections.abc import Mapping
from datetime import datetime

from django.db import connection
from django.db.models import F

from partners.models import Tally, TallyHour
from partners.models.queue import COUNTS

_HOUR = """
INSERT INTO {table} (sync_id, hour, {columns}) VALUES (%s, %s, {marks})
ON CONFLICT (sync_id, hour) DO UPDATE SET {sums}
""".format(
    table=TallyHour._meta.db_table,
    columns=", ".join(COUNTS),
    marks=", ".join(["%s"] * len(COUNTS)),
    sums=", ".join(f"{name} = {TallyHour._meta.db_table}.{name} + excluded.{name}" for name in COUNTS),
)


def move(moves: Mapping[int, Mapping[str, int]], *, now: datetime) -> None:
    """Add the increments to each Sync's tally and to its hour. ``moves``: Sync id -> {count: how many more}.

    Rows are touched in the order of their ids, so that two workers cannot wait for each other.
    """
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
    hour = connection.ops.adapt_datetimefield_value(now.replace(minute=0, second=0, microsecond=0))
    with connection.cursor() as cursor:
        cursor.execute(_HOUR, [sync_id, hour, *(step.get(name, 0) for name in COUNTS)])


class Moves(dict[int, dict[str, int]]):
    """Collects increments per Sync until they are moved at once."""

    def shift(self, sync_id: int, n: int, *, to: str, out_of: str = "pending") -> None:
        """``n`` people of a Sync go from one count to another."""
        step = self.setdefault(sync_id, {})
        step[out_of] = step.get(out_of, 0) - n
        step[to] = step.get(to, 0) + n
