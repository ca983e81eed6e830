"""The numbers of a canvas by day, in the shape of Braze's /canvas/data_series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Sum
from django.db.models.functions import TruncDate

from canvases.models import VARIANT, BranchTally, Canvas, CanvasHour, Step, name_of
from canvases.steps import KINDS
from partners.models import TallyHour
from partners.models.tallies import COLUMNS, counts_from, no_counts

MAX_DAYS = 14
NO_REVENUE = {"revenue": 0.0, "conversions": 0, "conversions_by_entry_time": 0}
# day -> step -> audience -> its name and counts
ByDay = dict[date, dict[int, dict[int, dict[str, object]]]]


@dataclass(frozen=True, slots=True)
class Span:
    """A range of days, both included, in the time zone of the group."""

    first: date
    last: date
    zone: ZoneInfo

    @classmethod
    def until(cls, ending_at: datetime, *, days: int, zone: ZoneInfo) -> Span:
        """Return the range of ``days`` days that ends with the day of ``ending_at``."""
        last = ending_at.astimezone(zone).date()
        return cls(last - timedelta(days=days - 1), last, zone)

    @property
    def days(self) -> Iterable[date]:
        """Return each day."""
        return (self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))

    @property
    def hours(self) -> dict[str, datetime]:
        """Return the range as a filter. An hour belongs to the day in which it begins."""
        begin = datetime.combine(self.first, datetime.min.time(), self.zone)
        end = datetime.combine(self.last + timedelta(days=1), datetime.min.time(), self.zone)
        return {"hour__gte": begin, "hour__lt": end}


def stats(
    canvas: Canvas, span: Span, *, by_variant: bool, by_step: bool, removed: bool
) -> list[dict[str, object]]:
    """Return an object per day.

    Steps with a Sync have the six counts of each audience under ``audience_sync``.
    """
    entries = _entries(canvas, span)
    steps = list(_steps(canvas, removed=removed)) if by_step else []
    counts = _counts(steps, span)
    days: list[dict[str, object]] = []
    for day in span.days:
        n = entries.get(day, 0)
        entry: dict[str, object] = {
            "time": day.isoformat(),
            "total_stats": NO_REVENUE | {"entries": n},
        }
        if by_variant:
            entry["variant_stats"] = {
                str(canvas.api_id): {"name": VARIANT} | NO_REVENUE | {"entries": n}
            }
        if by_step:
            entry["step_stats"] = {
                str(step.api_id): _step(step, counts[day].get(step.pk, {})) for step in steps
            }
        days.append(entry)
    return days


def total(days: Iterable[dict[str, object]]) -> dict[str, Any]:
    """Return the sum of all days: numbers are added, audiences are merged by name."""
    sums: dict[str, Any] = {}
    for day in days:
        sums = _sum_of(sums, day)
    return sums


def branch_totals(canvas: Canvas, *, removed: bool) -> dict[str, list[dict[str, object]]]:
    """Return id of a split -> its branches, each with the number of people who ever took it.

    These are totals, not numbers by day, as the tallies of branches are not kept by hour. Removed
    branches come last, without a name.
    """
    splits = [step for step in _steps(canvas, removed=removed) if KINDS[step.kind].splits]
    n_took: dict[int, dict[int, int]] = defaultdict(dict)
    for row in BranchTally.objects.filter(step__in=splits).order_by("branch"):
        n_took[row.step_id][row.branch] = row.n
    return {str(step.api_id): _branches(step, n_took[step.pk]) for step in splits}


def _branches(step: Step, n_took: dict[int, int]) -> list[dict[str, object]]:
    names = {branch.number: str(branch.label) for branch in KINDS[step.kind].branches(step)}
    return [
        {"name": names.get(number), "entries": n_took.get(number, 0)}
        for number in {**names, **n_took}
    ]


def _sum_of(left: Any, right: Any) -> Any:
    """Add two parts of the JSON of days. Texts stay, rows are matched by audience."""
    if isinstance(right, dict):
        left_dict = left or {}
        return left_dict | {
            name: _sum_of(left_dict.get(name), value) for name, value in right.items()
        }
    if isinstance(right, list):
        by_audience = {row["audience"]: row for row in left or []}
        for row in right:
            by_audience[row["audience"]] = _sum_of(by_audience.get(row["audience"], {}), row)
        return list(by_audience.values())
    return right if left is None or isinstance(right, str) else left + right


def _entries(canvas: Canvas, span: Span) -> dict[date, int]:
    hours = CanvasHour.objects.filter(canvas=canvas, **span.hours).order_by()
    by_day = hours.annotate(day=TruncDate("hour", tzinfo=span.zone)).values_list("day")
    return dict(by_day.annotate(n=Sum("entered")))


def _steps(canvas: Canvas, *, removed: bool) -> Iterable[Step]:
    steps = canvas.steps.select_related("sync__audience")
    return steps if removed else steps.filter(removed_at=None)


def _counts(steps: list[Step], span: Span) -> ByDay:
    """Return the counts of every audience the steps have ever sent to. One query."""
    hours = TallyHour.objects.filter(sync__steps__in=steps, **span.hours).order_by()
    by_day: Any = hours.annotate(day=TruncDate("hour", tzinfo=span.zone))
    by_audience = by_day.values_list("day", "sync__steps", "sync__audience", "sync__audience__name")
    counts_by_day: ByDay = defaultdict(lambda: defaultdict(dict))
    for day, step, audience, name, *counts in by_audience.annotate(
        *(Sum(name) for name in COLUMNS)
    ):
        sums = counts_from(dict(zip(COLUMNS, counts, strict=True)))
        counts_by_day[day][step][audience] = {"audience": name} | sums
    return counts_by_day


def _step(step: Step, counts: dict[int, dict[str, object]]) -> dict[str, object]:
    """Return the stats of a step. Its current audience comes first, even if it has no counts."""
    stats_of_step: dict[str, object] = {"name": name_of(step)} | NO_REVENUE | {"messages": {}}
    if step.sync is not None:
        current = step.sync.audience
        stats_of_step["audience_sync"] = list(
            ({current.pk: {"audience": current.name} | no_counts()} | counts).values()
        )
    return stats_of_step
