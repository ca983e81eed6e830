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

LONGEST = 14  # days
NOTHING_SOLD = {"revenue": 0.0, "conversions": 0, "conversions_by_entry_time": 0}
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
    found: list[dict[str, object]] = []
    for day in span.days:
        n = entries.get(day, 0)
        one: dict[str, object] = {
            "time": day.isoformat(),
            "total_stats": NOTHING_SOLD | {"entries": n},
        }
        if by_variant:
            one["variant_stats"] = {
                str(canvas.api_id): {"name": VARIANT} | NOTHING_SOLD | {"entries": n}
            }
        if by_step:
            one["step_stats"] = {
                str(step.api_id): _step(step, counts[day].get(step.pk, {})) for step in steps
            }
        found.append(one)
    return found


def total(days: Iterable[dict[str, object]]) -> dict[str, Any]:
    """Return the sum of all days: numbers are added, audiences are merged by name."""
    found: dict[str, Any] = {}
    for day in days:
        found = _added(found, day)
    return found


def branch_totals(canvas: Canvas, *, removed: bool) -> dict[str, list[dict[str, object]]]:
    """Return the id of each split -> its branches with all people who ever took them.

    Not by day: tallies of branches have no hours. Removed branches come last, without a name.
    """
    splits = [one for one in _steps(canvas, removed=removed) if KINDS[one.kind].splits]
    took: dict[int, dict[int, int]] = defaultdict(dict)
    for row in BranchTally.objects.filter(step__in=splits).order_by("branch"):
        took[row.step_id][row.branch] = row.n
    return {str(step.api_id): _branches(step, took[step.pk]) for step in splits}


def _branches(step: Step, took: dict[int, int]) -> list[dict[str, object]]:
    names = {one.number: str(one.label) for one in KINDS[step.kind].branches(step)}
    return [
        {"name": names.get(number), "entries": took.get(number, 0)} for number in {**names, **took}
    ]


def _added(one: Any, other: Any) -> Any:
    if isinstance(other, dict):
        known = one or {}
        return known | {name: _added(known.get(name), value) for name, value in other.items()}
    if isinstance(other, list):
        by_name = {row["audience"]: row for row in one or []}
        for row in other:
            by_name[row["audience"]] = _added(by_name.get(row["audience"], {}), row)
        return list(by_name.values())
    return other if one is None or isinstance(other, str) else one + other


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
    found: ByDay = defaultdict(lambda: defaultdict(dict))
    for day, step, audience, name, *counts in by_audience.annotate(
        *(Sum(name) for name in COLUMNS)
    ):
        sums = counts_from(dict(zip(COLUMNS, counts, strict=True)))
        found[day][step][audience] = {"audience": name} | sums
    return found


def _step(step: Step, counts: dict[int, dict[str, object]]) -> dict[str, object]:
    """Return the stats of a step. Its current audience comes first, also without counts."""
    shown: dict[str, object] = {"name": name_of(step)} | NOTHING_SOLD | {"messages": {}}
    if step.sync is not None:
        now = step.sync.audience
        shown["audience_sync"] = list(
            ({now.pk: {"audience": now.name} | no_counts()} | counts).values()
        )
    return shown
