"""The numbers of the overview: people synced by day, live canvases, audiences.

Each takes a constant number of queries, however many canvases and audiences a group has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import F, Sum

from audiencesync.core.charts import bins
from audiencesync.core.charts.bars import Bars
from audiencesync.groups.models import AppGroup
from canvases import analytics
from canvases.entry_card import words
from canvases.models import Canvas, CanvasHour, StepTally
from canvases.numbers import audience_uses
from canvases.numbers import step as step_numbers
from partners import registry
from partners.base import Partner
from partners.models import Action, Audience, TallyHour
from partners.models.batch_queries import OF_STEPS

MAX_CANVASES = 8
MAX_AUDIENCES = 5
SPARK_HEIGHT = 24  # pixels
IN_USE = (Canvas.State.DRAFT, Canvas.State.LIVE, Canvas.State.STOPPED)


@dataclass(frozen=True, slots=True)
class Synced:
    """People by outcome and day. ``before``: how many were synced in the same time before that."""

    chart: Bars
    before: int
    days: int

    @property
    def total(self) -> int:
        """Return how many were synced."""
        return self.chart.series[0].total

    @property
    def change(self) -> int | None:
        """Return the change in per cent; None if no people were synced before."""
        return round(100 * (self.total - self.before) / self.before) if self.before else None


def synced(app_group: AppGroup, days: int, *, now: datetime) -> Synced:
    """Return the people of the last ``days`` days, today included. Two queries."""
    zone = ZoneInfo(app_group.time_zone)
    today = now.astimezone(zone).date()
    days_shown = bins.days(today - timedelta(days=days - 1), today, zone)
    earlier = bins.days(today - timedelta(days=2 * days - 1), today - timedelta(days=days), zone)
    hours = TallyHour.objects.filter(
        sync__audience__ad_account__connection__app_group=app_group, sync__purpose__in=OF_STEPS
    )
    hours_before = hours.filter(hour__gte=earlier.begin, hour__lt=earlier.end)
    n = hours_before.aggregate(n=Sum("synced"))["n"] or 0
    return Synced(step_numbers.outcomes_of(hours, days_shown), n, days)


@dataclass(frozen=True, slots=True)
class SparkBar:
    """A bar of a small chart: x and width in per cent, y and height in pixels."""

    x: str
    y: str
    width: str
    height: str
    is_today: bool


@dataclass(frozen=True, slots=True)
class LiveCanvas:
    """A live canvas with its people. ``entries``: their number on each of the last seven days."""

    canvas: Canvas
    entry: str
    waiting: int
    pending: int
    errored: int
    trouble: analytics.Trouble | None
    entries: Sequence[int]

    @property
    def spark(self) -> list[SparkBar]:
        """Return a bar for each day, the highest as high as the row allows."""
        highest, slot_width = max(*self.entries, 1), 100 / len(self.entries)
        heights = [max(1.5, SPARK_HEIGHT * n / highest) for n in self.entries]
        return [
            SparkBar(
                f"{slot_width * day:.2f}%",
                f"{SPARK_HEIGHT - height:.1f}",
                f"{slot_width * 0.8:.2f}%",
                f"{height:.1f}",
                is_today=day == len(heights) - 1,
            )
            for day, height in enumerate(heights)
        ]


def live_canvases(app_group: AppGroup, *, now: datetime) -> tuple[list[LiveCanvas], int]:
    """Return the live canvases that were edited last, and how many are live. Six queries."""
    live = Canvas.objects.filter(app_group=app_group, state=Canvas.State.LIVE)
    canvases = list(live.select_related("app_group", "segment")[:MAX_CANVASES])
    numbers = analytics.canvas_numbers(canvases)
    troubles = analytics.troubles(canvases)
    waiting = _n_waiting_by_canvas(canvases)
    entries = _entries_by_day(canvases, app_group, now=now)
    rows = [
        LiveCanvas(
            canvas,
            words.entry(canvas, now=now),
            waiting.get(canvas.pk, 0),
            numbers[canvas.pk]["pending"],
            numbers[canvas.pk]["errored"],
            troubles.get(canvas.pk),
            entries[canvas.pk],
        )
        for canvas in canvases
    ]
    return rows, live.count()


def _n_waiting_by_canvas(canvases: Sequence[Canvas]) -> dict[int, int]:
    tallies = StepTally.objects.filter(step__canvas__in=canvases).order_by()
    return dict(tallies.values_list("step__canvas").annotate(n=Sum("waiting")))


def _entries_by_day(
    canvases: Sequence[Canvas], app_group: AppGroup, *, now: datetime
) -> dict[int, list[int]]:
    zone = ZoneInfo(app_group.time_zone)
    today = now.astimezone(zone).date()
    week = bins.days(today - timedelta(days=6), today, zone)
    hours = CanvasHour.objects.filter(canvas__in=canvases, hour__gte=week.begin, hour__lt=week.end)
    by_canvas: dict[int, list[tuple[datetime, list[int]]]] = defaultdict(list)
    for canvas, hour, n in hours.values_list("canvas", "hour", "entered"):
        by_canvas[canvas].append((hour, [n]))
    return {canvas.pk: [n for [n] in week.sums(by_canvas[canvas.pk], 1)] for canvas in canvases}


@dataclass(frozen=True, slots=True)
class UsedAudience:
    """An audience that steps use. ``n_add``, ``n_remove``: how many live canvases do so."""

    audience: Audience
    partner: Partner
    n_add: int
    n_remove: int
    share: str  # of the largest one, in per cent, for the bar

    @property
    def is_shown(self) -> bool:
        """Return whether the audience has enough matched people for the partner to show a size."""
        return (self.audience.size or 0) >= self.partner.smallest_audience


def audiences(app_group: AppGroup) -> tuple[list[UsedAudience], int]:
    """Return the largest audiences that steps use, and how many these are. Two queries."""
    used = Audience.objects.filter(
        ad_account__connection__app_group=app_group,
        syncs=F("syncs__steps__sync"),  # only by the current Sync of a step
        syncs__steps__removed_at=None,
        syncs__steps__canvas__state__in=IN_USE,
    )
    rows = (
        used.select_related("ad_account__connection")
        .annotate(
            n_add=audience_uses.live_canvases(Action.ADD),
            n_remove=audience_uses.live_canvases(Action.REMOVE),
        )
        .order_by(F("size").desc(nulls_last=True), "name")
    )
    largest = list(rows[:MAX_AUDIENCES])
    max_size = max((row.size or 0 for row in largest), default=0) or 1
    used_audiences = [
        UsedAudience(
            row,
            registry.get(row.ad_account.connection.partner),
            row.n_add,
            row.n_remove,
            f"{100 * (row.size or 0) / max_size:.1f}%",
        )
        for row in largest
    ]
    return used_audiences, used.distinct().count()
