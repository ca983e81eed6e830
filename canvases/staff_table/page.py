"""Lines in words: the rows of one page of the table, and of its CSV file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from canvases.analytics import METRICS
from canvases.models import Canvas, Step
from canvases.staff_table.lines import CONNECTED, Group, Line, Table, steps_of
from canvases.steps import KINDS
from canvases.steps.base import Text
from partners.health import titles
from partners.incidents import thresholds
from partners.numbers import first_tries, lanes

CHUNK = 500
CONNECTIONS: dict[str, Text] = {  # states of a connection, then the codes of incidents
    "": _("None"),
    "connected": _("Connected"),
    "not_connected": _("Not connected"),
    "token_refused": _("Reconnect"),
    "sealed": _("Keys missing"),
    "ad_account_disconnected": _("Disconnected"),
    "ad_account_refused": _("Ad account refused"),
    "backlog": _("Backlog"),
    "audience_not_created": _("No audience yet"),
    "audience_gone": _("Audience gone"),
    "audience_not_appendable": _("Audience closed"),
    "removals_held": _("Removals held"),
    "error_share": _("Many errors"),
    "audiences_nearly_full": _("Nearly full"),
    "audience_small": _("Small audience"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A step in the table.

    ``first_try``: the percentage accepted at the first try, of its people first tried today.
    """

    line: Line
    group: Group
    canvas_url: str
    url: str  # of the step, or of its canvas if the step was removed
    step: Text
    first_try: float | None
    done_at: datetime | None
    used: float  # requests per second of the ad account
    limit: float | None  # of requests per second

    @property
    def metrics(self) -> list[tuple[str, Promise, int | None]]:
        """Return the seven metrics in their order."""
        return self.line.numbers.metrics(sends=True)

    @property
    def state_label(self) -> Text:
        """Return the state of the canvas in words."""
        return Canvas.State(self.line.state).label

    @property
    def connection_label(self) -> Text:
        """Return what holds the step, in two words; if nothing does, the connection's state."""
        code = self.line.trouble or self.line.connection
        return CONNECTIONS.get(code, code)

    @property
    def tone(self) -> str:
        """Return bad, warn or good; empty if the step sends to no partner."""
        if self.line.is_in_trouble or self.line.connection not in ("", CONNECTED):
            return "bad"
        return "warn" if self.line.trouble else "good" if self.line.connection else ""


@dataclass(frozen=True, slots=True)
class Head:
    """The row of a group. ``title``: what is wrong there, if anything is."""

    group: Group
    title: str
    is_danger: bool
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class SendForecast:
    """When pending people are expected to be sent: by step, by group, and all."""

    lanes: lanes.Lanes
    steps: dict[int, datetime]
    groups: dict[int, datetime]

    @property
    def done_at(self) -> datetime | None:
        """Return when all are sent."""
        return max(self.groups.values(), default=None)


def send_forecast(table: Table, on_page: Iterable[Line], *, now: datetime) -> SendForecast:
    """Return the forecast, without steps whose requests fail: no one knows when they succeed.

    ``on_page``: lines whose ad accounts are read in any case, for their requests per second.
    """
    sending = [line for line in table.lines if line.is_sent]
    waiting = [line for line in sending if line.pending and line.pending.failed_at is None]
    accounts = {line.ad_account for line in (*waiting, *on_page) if line.ad_account is not None}
    lane_rates = lanes.read(accounts, now=now)
    steps: dict[int, datetime] = {}
    groups: dict[int, datetime] = {}
    for line in waiting:
        done_at = lane_rates.done_at.get(line.ad_account or 0)
        if done_at and line.pending:
            steps[line.step] = max(done_at, line.pending.due_at)
            groups[line.group] = max(groups.get(line.group, now), steps[line.step])
    return SendForecast(lane_rates, steps, groups)


def rows(
    table: Table, lines: Sequence[Line], forecast: SendForecast, *, now: datetime
) -> list[Row]:
    """Return the rows of some lines. Three queries."""
    steps = steps_of(lines)
    first_tries_of = _first_try_rates(steps, now=now)
    return [
        _row(line, table.groups[line.group], steps[line.step], first_tries_of, forecast)
        for line in lines
        if line.step in steps  # else it was deleted meanwhile
    ]


def heads(rows: Iterable[Row], forecast: SendForecast) -> dict[int, Head]:
    """Return the rows of the groups by id."""
    return {row.line.group: _head(row.group, forecast) for row in rows}


def _head(group: Group, forecast: SendForecast) -> Head:
    worst = group.incidents[0] if group.incidents else None
    return Head(
        group,
        titles.title(worst) if worst else "",
        worst is not None and worst.code not in thresholds.CODES,
        forecast.groups.get(group.row.pk),
    )


def _row(
    line: Line, group: Group, step: Step, first_tries_of: dict[int, float], forecast: SendForecast
) -> Row:
    url, account = step.canvas.get_absolute_url(), line.ad_account or 0
    return Row(
        line=line,
        group=group,
        canvas_url=url,
        url=url + ("" if step.removed_at else f"?step={step.pk}"),
        step=KINDS[step.kind].line(step),
        first_try=first_tries_of.get(line.step),
        done_at=forecast.steps.get(line.step),
        used=forecast.lanes.used.get(account, 0.0),
        limit=forecast.lanes.limits.get(account),
    )


def _first_try_rates(steps: Iterable[int], *, now: datetime) -> dict[int, float]:
    """Return step -> how many of the people tried first today were accepted, in per cent."""
    calls = first_tries.of_today(now=now).filter(sync__steps__in=list(steps))
    return {
        step: 100 * accepted / n
        for step, (n, accepted) in first_tries.sums(calls, "sync__steps").items()
    }


HEADS: tuple[Text, ...] = (
    _("App group"),
    _("Canvas"),
    _("State"),
    _("Component"),
    *METRICS.values(),
    _("Error rate in %"),
    _("Oldest pending (UTC)"),
    _("Connection"),
    _("Synced today (UTC)"),
    _("First try in %"),
    _("Done about (UTC)"),
    _("Errors from (UTC)"),
    _("Requests/s"),
    _("Requests/s allowed"),
)


def csv_rows(table: Table, lines: Sequence[Line], *, now: datetime) -> Iterable[list[Any]]:
    """Yield the table as CSV cells: plain numbers, times in UTC."""
    yield [str(head) for head in HEADS]
    forecast = send_forecast(table, lines, now=now)
    for start in range(0, len(lines), CHUNK):
        for row in rows(table, lines[start : start + CHUNK], forecast, now=now):
            yield _cells(row)


def _cells(row: Row) -> list[Any]:
    line = row.line
    return [
        row.group.row.name,
        line.canvas_name,
        str(row.state_label),
        str(row.step),
        *("" if n is None else n for _name, _label, n in row.metrics),
        _number(line.error_rate),
        _time(line.oldest_pending),
        str(row.connection_label),
        line.today,
        _number(row.first_try),
        _time(row.done_at),
        _time(line.pending.ends_at if line.pending else None),
        _number(row.used),
        _number(row.limit),
    ]


def _number(value: float | None) -> str | Decimal:
    """Return a number as a CSV cell.

    A Decimal, not a text: a leading minus of a text would be escaped as a formula.
    """
    return "" if value is None else Decimal(f"{value:.2f}")


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
