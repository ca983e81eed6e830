"""Make up a history: spread the counts of tallies over the hours of past days.

Totals do not change, so all laws still hold; only the times are made up. They look like those of a
shop: quiet nights, busy evenings, busier weekends, slow growth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from django.db import transaction
from django.db.models import Model

from canvases.models import Canvas, CanvasHour, StepHour, StepTally
from partners.models import Audience, AudienceSize, Tally, TallyDay, TallyHour
from partners.models.tallies import COLUMNS

# Relative weights of the hours from 0 to 23 o'clock UTC, and of the days from Monday to Sunday.
BY_HOUR = (1, 1, 1, 1, 1, 2, 4, 7, 9, 9, 8, 8, 9, 9, 8, 8, 9, 11, 14, 17, 18, 14, 8, 3)
BY_WEEKDAY = (10, 10, 11, 11, 13, 16, 14)
STEP_COUNTS = ("entered", "proceeded", "exited", "withdrawn")


@dataclass(frozen=True, slots=True)
class Month:
    """The hours over which counts are spread, each with its relative weight."""

    hours: Sequence[datetime]
    weights: Sequence[float]
    random: Random

    @classmethod
    def until(cls, now: datetime, *, days: int, seed: int) -> Month:
        """Return the last ``days`` days before ``now``. The same seed gives the same weights."""
        random = Random(seed)
        last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        hours = [last - timedelta(hours=n) for n in range(24 * days - 1, -1, -1)]
        weights = [
            BY_HOUR[hour.hour]
            * BY_WEEKDAY[hour.weekday()]
            * (1 + n / len(hours))
            * random.uniform(0.7, 1.3)
            for n, hour in enumerate(hours)
        ]
        return cls(hours, weights, random)

    def spread(self, n: int) -> dict[datetime, int]:
        """Return hour -> its part of ``n`` people; the parts add up to ``n``."""
        total, weight_so_far, n_so_far = sum(self.weights), 0.0, 0
        by_hour: dict[datetime, int] = {}
        for hour, weight in zip(self.hours, self.weights, strict=True):
            weight_so_far += weight
            # Rounded is the running sum, not each part: so the parts add up to n.
            upto = round(n * weight_so_far / total)
            if upto > n_so_far:
                by_hour[hour] = upto - n_so_far
            n_so_far = upto
        return by_hour


def make(*, days: int, seed: int, now: datetime) -> int:
    """Spread the counts of all tallies over the last ``days`` days; return the number of Syncs."""
    month = Month.until(now, days=days, seed=seed)
    with transaction.atomic():
        tallies = list(Tally.objects.select_for_update())
        for tally in tallies:
            rows = _rows(month, tally, COLUMNS)
            _write(TallyHour, {"sync": tally.sync}, rows)
            _write_days(tally, rows)
        for step in StepTally.objects.select_for_update():
            _write(StepHour, {"step": step.step}, _rows(month, step, STEP_COUNTS))
        for canvas in Canvas.objects.exclude(launched_at=None):
            _write(CanvasHour, {"canvas": canvas}, _rows(month, canvas, ("entered",)))
        _move_launches(month)
        for audience in Audience.objects.exclude(size=None):
            _write_sizes(audience, month)
    return len(tallies)


def _rows(month: Month, tally: Model, names: Sequence[str]) -> dict[datetime, dict[str, int]]:
    """Return hour -> counts of these names. Pending people count in the last hour only."""
    rows: dict[datetime, dict[str, int]] = {}
    entered: dict[datetime, int] = {}
    for name in names:
        n = getattr(tally, name)
        if name == "entered" and "synced" in names:
            continue  # a Sync's "entered" is the sum of its other counts, computed below
        parts = {month.hours[-1]: n} if name == "pending" else month.spread(n)
        for hour, part in parts.items():
            rows.setdefault(hour, dict.fromkeys(names, 0))[name] += part
            if name != "moved":  # moved people are counted in "cancelled"
                entered[hour] = entered.get(hour, 0) + part
    if "synced" in names:
        for hour, part in entered.items():
            rows[hour]["entered"] = part
    return rows


def _write(model: Any, owner: dict[str, Model], rows: dict[datetime, dict[str, int]]) -> None:
    model.objects.filter(**owner).delete()
    model.objects.bulk_create(model(**owner, hour=hour, **counts) for hour, counts in rows.items())


def _write_days(tally: Tally, rows: dict[datetime, dict[str, int]]) -> None:
    """Write the counts at the start of each day: the present ones minus those of later hours."""
    counts = {name: getattr(tally, name) for name in COLUMNS}
    days = {}
    for hour in sorted(rows, reverse=True):
        counts = {name: n - rows[hour][name] for name, n in counts.items()}
        days[hour.date()] = counts
    TallyDay.objects.filter(sync=tally.pk).delete()
    TallyDay.objects.bulk_create(
        TallyDay(sync_id=tally.pk, day=day, **day_counts) for day, day_counts in days.items()
    )


def _move_launches(month: Month) -> None:
    first = month.hours[0]
    for canvas in Canvas.objects.exclude(launched_at=None):
        canvas.launched_at = canvas.first_entry_at = first
        canvas.save(update_fields=["launched_at", "first_entry_at"])


def _write_sizes(audience: Audience, month: Month) -> None:
    """Make up a size for each day, backwards from the present size of an audience."""
    days = sorted({hour.date() for hour in month.hours})
    size = float(audience.size or 0)
    sizes = []
    for day in reversed(days):
        sizes.append(AudienceSize(audience=audience, day=day, size=max(0, round(size))))
        size /= 1 + month.random.uniform(-0.005, 0.03)
    AudienceSize.objects.filter(audience=audience).delete()
    AudienceSize.objects.bulk_create(sizes)
