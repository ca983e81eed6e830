"""All steps that match the filter, with the values for sorting and totals.

A line is a step of the table. It holds no model, as ten thousand are read for each page. The number
of queries is constant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import Max, Min, Sum

from audiencesync.groups.models import AppGroup
from canvases.analytics import METRICS, SUMMED, Numbers
from canvases.models import Canvas, Step
from canvases.staff_table import chosen_days
from canvases.staff_table.query import TableQuery
from canvases.steps import KINDS
from partners.health import lines as health_lines
from partners.incidents import thresholds
from partners.incidents.held import REMOVALS_HELD
from partners.models import Batch, Connection, Incident, Outcome, ParkedBy
from partners.models.incidents import PLACES

CONNECTED, NOT_CONNECTED, TOKEN_REFUSED = "connected", "not_connected", "token_refused"
ACCOUNT = "sync__audience__ad_account"
NAMES = ("canvas__name", "canvas__state", "kind", "name", "sync__audience__name")
RELATED = ("canvas__app_group", f"{ACCOUNT}__connection")
FIELDS = (
    *("pk", "canvas_id", "canvas__app_group_id", "sync_id", "sync__audience_id"),
    *(f"{ACCOUNT}_id", f"{ACCOUNT}__connection_id", *NAMES),
)


@dataclass(frozen=True, slots=True)
class Pending:
    """The pending people of a step.

    ``since``: when the first became pending; ``due_at``: when the last is due; ``ends_at``: when
    the first become errored; ``failed_at``: the first failure of a request for any of them.
    """

    since: datetime
    due_at: datetime
    ends_at: datetime | None
    failed_at: datetime | None


@dataclass(slots=True)
class Line:
    """A step. ``trouble``: the code of the incident that stops its sending, or of a warning."""

    step: int
    canvas: int
    group: int
    sync: int | None
    ad_account: int | None
    numbers: Numbers
    canvas_name: str
    state: str
    name: str
    connection: str
    trouble: str = ""
    today: int = 0
    pending: Pending | None = None

    @property
    def error_rate(self) -> float | None:
        """Return errored of entered people, in percent; None if no people entered."""
        return self.numbers.error_rate

    @property
    def oldest_pending(self) -> datetime | None:
        """Return since when the first of the pending people are pending."""
        return self.pending.since if self.pending else None

    @property
    def is_in_trouble(self) -> bool:
        """Return whether an open incident holds the step."""
        return bool(self.trouble) and self.trouble not in thresholds.CODES

    @property
    def has_held_removals(self) -> bool:
        """Return whether removals wait until a member confirms them; other people are sent."""
        return self.trouble == REMOVALS_HELD

    @property
    def is_held(self) -> bool:
        """Return whether an open incident holds the pending people."""
        return self.is_in_trouble and not self.has_held_removals

    @property
    def is_sent(self) -> bool:
        """Return whether pending people are sent: the canvas is live, and nothing holds them."""
        return self.state == Canvas.State.LIVE and not self.is_held


@dataclass(slots=True)
class Group:
    """An app group with the sums of its lines and its open incidents, the worst first."""

    row: AppGroup
    incidents: list[Incident] = field(default_factory=list)
    today: int = 0
    pending: int = 0
    errored: int = 0
    oldest: datetime | None = None
    ends_at: datetime | None = None
    live: set[int] = field(default_factory=set)  # ids of live canvases

    @property
    def rank(self) -> int:
        """Return 0 for a group in trouble, 1 for one with a warning, 2 for others."""
        if not self.incidents:
            return 2
        return int(self.incidents[0].code in thresholds.CODES)

    def add(self, line: Line) -> None:
        """Count a line."""
        if line.state == Canvas.State.LIVE:
            self.live.add(line.canvas)
        self.today += line.today
        self.pending += line.numbers.pending
        self.errored += line.numbers.errored
        if line.pending:
            self.oldest = min(filter(None, (self.oldest, line.pending.since)))
            if line.pending.ends_at:
                self.ends_at = min(filter(None, (self.ends_at, line.pending.ends_at)))


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a filter, in no order, and their groups by id."""

    lines: list[Line]
    groups: dict[int, Group]


@dataclass(frozen=True, slots=True)
class Troubles:
    """Codes of open incidents: kind of place -> id of the place -> code.

    ``held``: incidents that stop sending. ``warned``: warnings.
    """

    held: dict[str, dict[int, str]]
    warned: dict[str, dict[int, str]]

    @classmethod
    def of(cls, incidents: Sequence[Incident]) -> Troubles:
        troubles = cls({place: {} for place in PLACES}, {place: {} for place in PLACES})
        for incident in incidents:
            codes = troubles.warned if incident.code in thresholds.CODES else troubles.held
            codes[incident.place].setdefault(incident.place_id, incident.code)
        for sync in _held_sync_ids(incidents):
            troubles.held["sync"].setdefault(sync, REMOVALS_HELD)
        return troubles

    def at(self, sync: int, audience: int, ad_account: int, connection: int) -> str:
        """Return the code of the incident that stops a step; else of a warning; else "".

        Of several, return the one at the widest place: a connection holds ad accounts, and so on.
        """
        for codes in (self.held, self.warned):
            code = (
                codes["connection"].get(connection)
                or codes["ad_account"].get(ad_account)
                or codes["audience"].get(audience)
                or codes["sync"].get(sync)
            )
            if code:
                return code
        return ""


def _held_sync_ids(incidents: Sequence[Incident]) -> Sequence[int]:
    """Return the Syncs of all steps whose removals are held: an incident names only one of them."""
    sync_ids = [incident.sync_id for incident in incidents if incident.code == REMOVALS_HELD]
    if not sync_ids:
        return []
    canvases = Step.objects.filter(syncs__in=sync_ids).values("canvas")
    rows = Step.objects.filter(canvas__in=canvases).removing()
    return list(rows.exclude(sync=None).values_list("sync", flat=True))


def read(query: TableQuery, *, now: datetime) -> Table:
    """Return the lines that match. Seven queries; eight if only some days are counted.

    There is one more query if removals are held.
    """
    incidents = _incidents(query)
    groups = _groups(query, incidents)
    today, pending = chosen_days.synced_today(query, now=now), _pending(query)
    lines = _lines(query, Troubles.of(incidents))
    if query.has_dates:
        _replace_sums(lines, query)
    for line in lines:
        line.today = today.get(line.step, 0)
        line.pending = pending.get(line.step)
    if query.pending_over is not None:
        latest = now - query.pending_over
        lines = [line for line in lines if line.pending and line.pending.since <= latest]
    for line in lines:
        groups[line.group].add(line)
    return Table(lines, groups)


def _lines(query: TableQuery, troubles: Troubles) -> list[Line]:
    """Return the lines. A query of its own sums their numbers: with texts it would be slow."""
    numbers, connections = _numbers(query), _connections(query)
    lines = []
    for row in query.steps().order_by().values_list(*FIELDS):
        step, canvas, group, sync, audience, ad_account, connection, *names = row
        canvas_name, state, kind, name, audience_name = names
        lines.append(
            Line(
                step=step,
                canvas=canvas,
                group=group,
                sync=sync,
                ad_account=ad_account,
                numbers=numbers.get(step) or Numbers(),
                canvas_name=canvas_name,
                state=state,
                name=name or audience_name or str(KINDS[kind].label),
                connection=connections.get(connection, NOT_CONNECTED) if connection else "",
                trouble=troubles.at(sync, audience, ad_account, connection) if sync else "",
            )
        )
    return lines


def _numbers(query: TableQuery) -> dict[int, Numbers]:
    """Return step -> its numbers. One query: the numbers of a step must add up.

    If only some days are counted, return only proceeded and exited: `_replace_sums` needs no more.
    """
    if query.has_dates:
        departures = query.steps().order_by().values_list("pk", "tally__proceeded", "tally__exited")
        return {pk: Numbers(proceeded=n or 0, exited=m or 0) for pk, n, m in departures}
    visit_columns = [f"tally__{name}" for name in ("entered", "proceeded", "exited", "waiting")]
    sums = [Sum(f"syncs__tally__{name}", default=0) for name in (*SUMMED, "moved")]
    rows = query.steps().order_by().values_list("pk", *visit_columns).annotate(*sums)
    return {
        step: Numbers(
            entered=entered or 0,  # no tally yet: NULL
            proceeded=proceeded or 0,
            exited=exited or 0,
            waiting=waiting or 0,
            synced=synced,
            not_synced=not_synced,
            pending=pending,
            errored=errored,
            cancelled=cancelled - moved,  # moved people count in the Sync to which they were moved
        )
        for step, entered, proceeded, exited, waiting, *sent in rows
        for synced, not_synced, pending, errored, cancelled, moved in [sent]
    }


def _connections(query: TableQuery) -> dict[int, str]:
    """Return connection -> its state, of those with a token."""
    rows = Connection.objects.exclude(token_sealed="")
    if query.group:
        rows = rows.filter(app_group__slug=query.group)
    states = rows.values_list("pk", "parked_by")
    return {pk: TOKEN_REFUSED if by == ParkedBy.TOKEN else CONNECTED for pk, by in states}


def _incidents(query: TableQuery) -> list[Incident]:
    """Return the open incidents: warnings last, the nearest deadline first."""
    rows = Incident.objects.open().select_related(*health_lines.RELATED).order_by("pk")
    if query.group:
        rows = rows.filter(app_group__slug=query.group)
    no_deadline = datetime.max.replace(tzinfo=UTC)
    return sorted(
        rows,
        key=lambda incident: (
            incident.code in thresholds.CODES,
            incident.deadline_at or no_deadline,
            incident.pk,
        ),
    )


def _groups(query: TableQuery, incidents: Iterable[Incident]) -> dict[int, Group]:
    rows = AppGroup.objects.all()
    if query.group:
        rows = rows.filter(slug=query.group)
    groups = {row.pk: Group(row) for row in rows}
    for incident in incidents:
        if incident.app_group_id in groups:
            groups[incident.app_group_id].incidents.append(incident)
    return groups


def _replace_sums(lines: Iterable[Line], query: TableQuery) -> None:
    """Replace the numbers of lines by those of the chosen days, as far as they are known."""
    numbers_of = chosen_days.numbers(query)
    for line in lines:
        since_launch = line.numbers
        line.numbers = numbers_of.get(line.step) or Numbers()
        chosen_days.derive_departures(line.numbers, since_launch, is_counted=line.sync is not None)


def _pending(query: TableQuery) -> dict[int, Pending]:
    """Return step -> its pending people."""
    batches = Batch.objects.filter(state=Outcome.PENDING, n__gt=0, sync__steps__isnull=False)
    if query.group:
        batches = batches.filter(sync__app_group__slug=query.group)
    rows = batches.order_by().values_list("sync__steps")
    times = rows.annotate(
        since=Min("created_at"),
        due=Max("due_at"),
        ends=Min("deadline_at"),
        failed=Min("first_failed_at"),
    )
    return {step: Pending(*values) for step, *values in times}


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all lines of the filter, not only those of the page."""

    numbers: Numbers
    n_steps: int
    n_groups: int
    n_in_trouble: int
    n_live: int
    today: int
    oldest_pending: datetime | None
    ends_at: datetime | None

    @property
    def metrics(self) -> list[tuple[str, Any, int | None]]:
        """Return the seven metrics in their order."""
        return self.numbers.metrics(sends=True)


def totals(table: Table) -> Totals:
    """Return the sums of the lines; unknown values count as 0."""
    lines = table.lines
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        for name in METRICS:
            sums[name] += getattr(line.numbers, name) or 0
    groups = [table.groups[pk] for pk in {line.group for line in lines}]
    return Totals(
        numbers=Numbers(**sums),
        n_steps=len(lines),
        n_groups=len(groups),
        n_in_trouble=sum(group.rank < 2 for group in groups),
        n_live=sum(len(group.live) for group in groups),
        today=sum(line.today for line in lines),
        oldest_pending=min(filter(None, (group.oldest for group in groups)), default=None),
        ends_at=min(filter(None, (group.ends_at for group in groups)), default=None),
    )


def steps_of(lines: Iterable[Line]) -> dict[int, Step]:
    """Return the steps of some lines by id, with what their texts need. One query."""
    return Step.objects.select_related(*RELATED).in_bulk([line.step for line in lines])
