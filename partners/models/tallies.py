"""The counts of a Sync: in total, by hour and day, and the counters of the installation."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q

from partners.models.queue import Sync

COUNTS = ("entered", "synced", "not_synced", "pending", "errored", "cancelled")
COLUMNS = (*COUNTS, "moved")
ADDS_UP_Q = Q(entered=F("synced") + F("not_synced") + F("pending") + F("errored") + F("cancelled"))


class Numbers(models.Model):
    """The six COUNTS. ``moved``: how many of the cancelled people entered another Sync."""

    entered = models.BigIntegerField(default=0)
    synced = models.BigIntegerField(default=0)
    not_synced = models.BigIntegerField(default=0)
    pending = models.BigIntegerField(default=0)
    errored = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)
    # A later column: during an update the former release still inserts rows without it.
    moved = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        abstract = True

    def as_dict(self) -> dict[str, int]:
        """Return the six counts by name, without ``moved``."""
        return {name: getattr(self, name) for name in COUNTS}


class Tally(Numbers):
    """The counts of one Sync. They change in the transactions that change the counted rows."""

    sync = models.OneToOneField(Sync, models.CASCADE, primary_key=True, related_name="tally")
    # How many of the counted deliveries were deleted by retention (queue/retention.py), by
    # outcome, then by reason or code: {"errored": {"40002": 7}}.
    base: models.JSONField[dict[str, dict[str, int]], dict[str, dict[str, int]]] = models.JSONField(
        default=dict
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=ADDS_UP_Q, name="tally_adds_up"),
            models.CheckConstraint(
                condition=Q(**{f"{name}__gte": 0 for name in COUNTS}), name="tally_positive"
            ),
            models.CheckConstraint(
                condition=Q(moved__gte=0, moved__lte=F("cancelled")), name="tally_moved"
            ),
        ]

    def __str__(self) -> str:
        return f"tally of sync {self.pk}"


class TallyHour(Numbers):
    """How much a tally changed within one hour, for charts. Pending may be negative."""

    sync = models.ForeignKey(Sync, models.CASCADE, related_name="hours")
    hour = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sync", "hour"], name="tally_hour_once")]
        # An index for queries of the newest hours of all Syncs.
        indexes = [models.Index(fields=["hour"], name="tally_hour_newest")]

    def __str__(self) -> str:
        return f"tally of sync {self.sync_id} at {self.hour}"


class TallyDay(Numbers):
    """The tally as it was when a day (UTC) began, for each day on which it changed.

    A day without a row began with the counts of the next row, or of the tally if none follows. So
    the counts of any range of days are one difference (partners/numbers/days.py).
    """

    sync = models.ForeignKey(Sync, models.CASCADE, related_name="days", db_index=False)
    day = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sync", "day"], name="tally_day_once"),
            models.CheckConstraint(condition=ADDS_UP_Q, name="tally_day_adds_up"),
        ]

    def __str__(self) -> str:
        return f"tally of sync {self.sync_id} when {self.day} began"


class Count(models.Model):
    """A counter of events in the whole installation, for the metrics; it never resets.

    It is not one of COUNTS, which belong to a Sync.
    """

    LEASE_RECLAIMS = "lease_reclaims"
    MAILS_FAILED = "mails_failed"

    name = models.CharField(max_length=40, primary_key=True)
    n = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.n}"

    @staticmethod
    def add(name: str, n: int) -> None:
        """Add ``n`` to a counter, inside the caller's transaction."""
        Count.objects.bulk_create([Count(name=name)], ignore_conflicts=True)
        Count.objects.filter(pk=name).update(n=F("n") + n)


def no_counts() -> dict[str, int]:
    """Return the six counts, all zero."""
    return dict.fromkeys(COUNTS, 0)


def counts_from(values: dict[str, Any]) -> dict[str, int]:
    """Return the six counts without moved people, from ``values``, an aggregate of COLUMNS.

    The Sync that people were moved to counts them. `Numbers.as_dict` includes moved people. A sum
    over no rows may be None.
    """
    counts = {name: values.get(name) or 0 for name in COUNTS}
    moved = values.get("moved") or 0
    return counts | {"entered": counts["entered"] - moved, "cancelled": counts["cancelled"] - moved}
