"""All steps of the filter with what their order and the totals need: a constant number of queries.

A line holds no model: ten thousand of them are read for each page.
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

CONNECTED, NOT_CONNECTED, REFUSED = "connected", "not_connected", "token_refused"
ACCOUNT = "sync__audience__ad_account"
NAMES = ("canvas__name", "canvas__state", "kind", "name", "sync__audience__name")
RELATED = ("canvas__app_group", f"{ACCOUNT}__connection")
FIELDS = (
    *("pk", "canvas_id", "canvas__app_group_id", "sync_id", "sync__audience_id"),
    *(f"{ACCOUNT}_id", f"{ACCOUNT}__connection_id", *NAMES),
)


@dataclass(frozen=True, slots=True)
class Pending:
    """The people of a step who wait: since when the first, when the last is due, and the end.

    ``failed_at``: the first failure of a request for any of them.
    """

    since: datetime
    due_at: datetime
    ends_at: datetime | None
    failed_at: datetime | None


@dataclass(slots=True)
class Line:
    """A step. ``trouble``: the code of the open incident that holds it, or warns of it."""

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
        """Return since when the first of the people who wait do."""
        return self.pending.since if self.pending else None

    @property
    def is_in_trouble(self) -> bool:
        """Return whether an open incident holds it."""
        return bool(self.trouble) and self.trouble not in thresholds.CODES

    @property
    def has_held_removals(self) -> bool:
        """Return whether removals wait until a member confirms them; all others go on."""
        return self.trouble == REMOVALS_HELD

    @property
    def is_held(self) -> bool:
        """Return whether an open incident holds the people who wait."""
        return self.is_in_trouble and not self.has_held_removals

    @property
    def is_sent(self) -> bool:
        """Return whether people who wait are sent: the canvas is live, and nothing holds them."""
        return self.state == Canvas.State.LIVE and not self.is_held


@dataclass(slots=True)
class Group:
    """An app group with its lines of the filter, summed, and its open incidents, worst first."""

    row: AppGroup
    incidents: list[Incident] = field(default_factory=list)
    today: int = 0
    pending: int = 0
    errored: int = 0
    oldest: datetime | None = None
    ends_at: datetime | None = None
    live: set[int] = field(default_factory=set)  # canvases

    @property
    def rank(self) -> int:
        """Return 0 in trouble, 1 with a warning, else 2."""
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
class Read:
    """The lines of a filter, in no order, and their groups by id."""

    lines: list[Line]
    groups: dict[int, Group]


@dataclass(frozen=True, slots=True)
class Troubles:
    """Place -> id -> the code of an open incident: of those that hold steps, and of warnings."""

    held: dict[str, dict[int, str]]
    warned: dict[str, dict[int, str]]

    @classmethod
    def of(cls, incidents: Sequence[Incident]) -> Troubles:
        found = cls({place: {} for place in PLACES}, {place: {} for place in PLACES})
        for one in incidents:
            kind = found.warned if one.code in thresholds.CODES else found.held
            kind[one.place].setdefault(one.place_id, one.code)
        for sync in _holding(incidents):
            found.held["sync"].setdefault(sync, REMOVALS_HELD)
        return found

    def at(self, sync: int, audience: int, ad_account: int, connection: int) -> str:
        """Return what holds a step at its widest place, else what warns of it."""
        for kind in (self.held, self.warned):
            code = (
                kind["connection"].get(connection)
                or kind["ad_account"].get(ad_account)
                or kind["audience"].get(audience)
                or kind["sync"].get(sync)
            )
            if code:
                return code
        return ""


def _holding(incidents: Sequence[Incident]) -> Sequence[int]:
    """Return the Syncs of all steps whose removals are held: their incident names one of them."""
    named = [one.sync_id for one in incidents if one.code == REMOVALS_HELD]
    if not named:
        return []
    canvases = Step.objects.filter(syncs__in=named).values("canvas")
    rows = Step.objects.filter(canvas__in=canvases).removing()
    return list(rows.exclude(sync=None).values_list("sync", flat=True))


def read(query: TableQuery, *, now: datetime) -> Read:
    """Return the lines that match. Seven queries; eight if only some days are counted.

    One more if removals are held.
    """
    incidents = _incidents(query)
    groups = _groups(query, incidents)
    today, pending = chosen_days.synced_today(query, now=now), _pending(query)
    lines = _lines(query, Troubles.of(incidents))
    if query.has_dates:
        _only_dates(lines, query)
    for line in lines:
        line.today = today.get(line.step, 0)
        line.pending = pending.get(line.step)
    if query.pending_over is not None:
        latest = now - query.pending_over
        lines = [line for line in lines if line.pending and line.pending.since <= latest]
    for line in lines:
        groups[line.group].add(line)
    return Read(lines, groups)


def _lines(query: TableQuery, troubles: Troubles) -> list[Line]:
    """Return the lines with their numbers. Texts in the query that sums would make it slow."""
    numbers, connections = _numbers(query), _connections(query)
    found = []
    for row in query.steps().order_by().values_list(*FIELDS):
        step, canvas, group, sync, audience, ad_account, connection, *names = row
        canvas_name, state, kind, name, audience_name = names
        found.append(
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
    return found


def _numbers(query: TableQuery) -> dict[int, Numbers]:
    """Return step -> its numbers. One query: the numbers of a step must add up.

    If only some days are counted, only how people left: `_only_dates` needs no more.
    """
    if query.has_dates:
        ways = query.steps().order_by().values_list("pk", "tally__proceeded", "tally__exited")
        return {pk: Numbers(proceeded=n or 0, exited=m or 0) for pk, n, m in ways}
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
            cancelled=cancelled - moved,  # moved people count where they were moved to
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
    return {pk: REFUSED if by == ParkedBy.TOKEN else CONNECTED for pk, by in states}


def _incidents(query: TableQuery) -> list[Incident]:
    """Return the open incidents, those that lose people first before the others."""
    rows = Incident.objects.open().select_related(*health_lines.RELATED).order_by("pk")
    if query.group:
        rows = rows.filter(app_group__slug=query.group)
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(
        rows, key=lambda one: (one.code in thresholds.CODES, one.deadline_at or latest, one.pk)
    )


def _groups(query: TableQuery, incidents: Iterable[Incident]) -> dict[int, Group]:
    rows = AppGroup.objects.all()
    if query.group:
        rows = rows.filter(slug=query.group)
    found = {row.pk: Group(row) for row in rows}
    for one in incidents:
        if one.app_group_id in found:
            found[one.app_group_id].incidents.append(one)
    return found


def _only_dates(lines: Iterable[Line], query: TableQuery) -> None:
    """Replace the sums by those of the chosen days, as far as they are counted by day."""
    found = chosen_days.numbers(query)
    for line in lines:
        whole = line.numbers
        line.numbers = found.get(line.step) or Numbers()
        chosen_days.derive_departures(line.numbers, whole, is_counted=line.sync is not None)


def _pending(query: TableQuery) -> dict[int, Pending]:
    """Return step -> its people who wait."""
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
    return {step: Pending(*rest) for step, *rest in times}


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


def totals(found: Read) -> Totals:
    """Return the sums of the lines; unknown values count as 0."""
    lines = found.lines
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        for name in METRICS:
            sums[name] += getattr(line.numbers, name) or 0
    groups = [found.groups[pk] for pk in {line.group for line in lines}]
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
