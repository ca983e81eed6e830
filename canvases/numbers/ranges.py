"""The range of a chart, from its query string: which period, by hour or day, chart or table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from audiencesync.core.charts import bins
from audiencesync.core.charts.bins import Bins
from canvases.steps.base import Text

LAST_DAY, WEEK, MONTH, ALL = "24h", "7d", "30d", "all"
RANGES: dict[str, Text] = {
    LAST_DAY: _("24 hours"),
    WEEK: _("7 days"),
    MONTH: _("30 days"),
    ALL: _("Since the start"),
}
DAYS = {WEEK: 7, MONTH: 30}
HOUR, DAY = "hour", "day"
UNITS: dict[str, Text] = {HOUR: _("Hour"), DAY: _("Day")}
CHART, TABLE = "chart", "table"
VIEWS: dict[str, Text] = {CHART: _("Chart"), TABLE: _("Table")}
MAX_HOURLY_BARS = 190  # a week with a day of 25 hours has 169; a little more is still readable
Choice = tuple[Text, str, bool]  # words, query string, whether it is the present one
MOST_BARS = 100  # bars of a day each; in a longer range, each bar has several days
BAR_DAYS = (1, 7, 28, 91, 364)  # how many days a bar may have


@dataclass(frozen=True, slots=True)
class Range:
    """What a chart shows: keys of RANGES, UNITS and VIEWS. ``since``: when counting began."""

    name: str
    unit: str
    view: str
    since: datetime
    zone: ZoneInfo

    @classmethod
    def of_query(
        cls,
        query: Mapping[str, str],
        *,
        since: datetime,
        zone: ZoneInfo,
        names: Sequence[str] = tuple(RANGES),
    ) -> Range:
        """Return the range of a query string, one of ``names``; a week if it names none."""
        name = query.get("range", "")
        view = query.get("view", "")
        return cls(
            name if name in names else WEEK,
            query.get("by", ""),
            view if view in VIEWS else CHART,
            since,
            zone,
        )

    @property
    def is_table(self) -> bool:
        """Return whether a table is shown in place of the bars."""
        return self.view == TABLE

    def ranges(self, names: Sequence[str] = tuple(RANGES)) -> list[Choice]:
        """Return the ranges to choose from."""
        return [(RANGES[name], self.query(name=name), name == self.name) for name in names]

    def views(self) -> list[Choice]:
        """Return chart and table."""
        return [(label, self.query(view=view), view == self.view) for view, label in VIEWS.items()]

    def bins(self, *, now: datetime) -> Bins:
        """Return its bins, up to the hour or day of ``now``."""
        if self.unit_shown(now=now) == HOUR:
            return bins.hours(self._begin(now=now), now, self.zone)
        first, last = self._local(self._begin(now=now)), self._local(now)
        n = (last - first).days + 1
        per_bin = next((days for days in BAR_DAYS if n / days <= MOST_BARS), BAR_DAYS[-1])
        return bins.days(first, last, self.zone, per_bin=per_bin)

    def unit_shown(self, *, now: datetime) -> str:
        """Return the unit: the one that was asked for, if the range can be shown by it."""
        units = self.units(now=now)
        return self.unit if self.unit in units else units[0]

    def units(self, *, now: datetime) -> list[str]:
        """Return the units by which the range can be shown."""
        if self.name == LAST_DAY:
            return [HOUR]
        hours = (now - self._begin(now=now)) / timedelta(hours=1)
        return [HOUR, DAY] if hours <= MAX_HOURLY_BARS else [DAY]

    def _begin(self, *, now: datetime) -> datetime:
        if self.name == LAST_DAY:
            return now - timedelta(hours=23)
        if self.name == ALL:
            return min(self.since, now)
        first = self._local(now) - timedelta(days=DAYS[self.name] - 1)
        return bins.midnight(first, self.zone)

    def _local(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def query(self, *, name: str = "", unit: str = "", view: str = "") -> str:
        """Return the query string of this range with some of it changed."""
        unit, view = unit or self.unit, view or self.view
        parts = [f"range={name or self.name}"]
        parts += [f"by={unit}"] if unit in UNITS else []
        parts += [f"view={view}"] if view != CHART else []
        return "?" + "&".join(parts)
