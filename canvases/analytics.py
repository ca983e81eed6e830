"""The numbers of steps and canvases: for cards, the list of canvases and the staff table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from django.db.models import F, Min, Q, QuerySet, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from canvases.models import Canvas, Step
from canvases.steps import KINDS, former_syncs
from canvases.steps.base import Text
from partners.connections import problems
from partners.incidents import codes
from partners.models import Batch, Outcome, Sync, Tally, TallyHour
from partners.models.tallies import COLUMNS, counts_from, no_counts

SUMS = {name: Sum(name, default=0) for name in COLUMNS}
METRICS: dict[str, Promise] = {
    "entered": _("Entered"),
    "proceeded": _("Proceeded to next step"),
    "synced": _("Users synced"),
    "not_synced": _("Users not synced"),
    "pending": _("Users pending"),
    "errored": _("Users errored"),
    "exited": _("Exited canvas"),
}
PASSAGE = ("entered", "proceeded", "exited", "waiting")
SYNC_METRICS = ("synced", "not_synced", "pending", "errored")
SUMMED = (*SYNC_METRICS, "cancelled")


@dataclass(slots=True)
class Numbers:
    """The seven metrics of a step, and its waiting and cancelled people.

    None: not known for the chosen dates.
    """

    entered: int | None = 0
    proceeded: int | None = 0
    synced: int = 0
    not_synced: int = 0
    pending: int = 0
    errored: int = 0
    exited: int | None = 0
    waiting: int = 0
    cancelled: int = 0

    @property
    def error_rate(self) -> float | None:
        """Return errored of entered people, in percent; None if no people entered."""
        return 100 * self.errored / self.entered if self.entered else None

    def metrics(self, *, sends: bool) -> list[tuple[str, Promise, int | None]]:
        """Return (name, label, value) in order; without the sync metrics if not ``sends``."""
        return [
            (name, label, getattr(self, name))
            for name, label in METRICS.items()
            if sends or name not in SYNC_METRICS
        ]


def step_numbers(
    steps: Iterable[Step], ids: QuerySet[Any, Any] | None = None
) -> dict[int, Numbers]:
    """Return the numbers of each step over all its Syncs. ``ids``: the same steps as a query.

    One query, because the numbers of a card must add up: between two queries visits may move.
    """
    found = {step.pk: Numbers() for step in steps}
    mine: Any = list(found) if ids is None else ids
    passage = [f"tally__{name}" for name in PASSAGE]
    sums = [Sum(f"syncs__tally__{name}", default=0) for name in COLUMNS]
    for step, *counts in (
        Step.objects.filter(pk__in=mine).order_by().values_list("pk", *passage).annotate(*sums)
    ):
        passed, sent = (
            counts[: len(PASSAGE)],
            counts_from(dict(zip(COLUMNS, counts[len(PASSAGE) :], strict=True))),
        )
        numbers = {name: sent[name] for name in SUMMED} | dict(zip(PASSAGE, passed, strict=True))
        # No tally yet: NULL. A step added since ``steps`` was read is kept as well.
        found[step] = Numbers(**{name: n or 0 for name, n in numbers.items()})
    return found


@dataclass(frozen=True, slots=True)
class Removed:
    """The people of a step who left, and what became of their removal."""

    synced: int = 0
    wanted: int = 0  # still wanted in the audience by another component
    pending: int = 0
    errored: int = 0
    cancelled: int = 0

    @property
    def stay(self) -> int:
        """Return how many were not removed."""
        return self.wanted + self.pending + self.errored + self.cancelled

    @property
    def parts(self) -> list[tuple[str, Text, int]]:
        """Return (name, label, value); the first two always, the others if not zero."""
        return [
            (name, label, n)
            for name, label in REMOVED.items()
            if (n := getattr(self, name)) or name in ("synced", "wanted")
        ]


REMOVED: dict[str, Text] = {
    "synced": _("Removed again"),
    "wanted": _("Still wanted elsewhere"),
    "pending": _("Removal pending"),
    "errored": _("Removal errored"),
    "cancelled": _("Removal cancelled"),
}


def removed(steps: Iterable[Step]) -> dict[int, Removed]:
    """Return the numbers of each step that has removed people again. One query."""
    tallies = Tally.objects.filter(sync__undoes__steps__in=[step.pk for step in steps])
    rows = tallies.order_by().values_list("sync__undoes__steps").annotate(*SUMS.values())
    found = {}
    for step, *sums in rows:
        numbers = counts_from(dict(zip(SUMS, sums, strict=True)))
        found[step] = Removed(
            synced=numbers["synced"],
            # A removal has something to send for everybody who was added: no other reason is left.
            wanted=numbers["not_synced"],
            pending=numbers["pending"],
            errored=numbers["errored"],
            cancelled=numbers["cancelled"],
        )
    return found


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a step's numbers that belongs to one audience and action."""

    text: str
    metrics: list[tuple[str, Promise, int]]


def shares(steps: Iterable[Step]) -> dict[int, list[Share]]:
    """Return the shares of steps with Syncs of different audiences or actions. One query."""
    rows = Tally.objects.filter(sync__steps__in=[step.pk for step in steps]).order_by("pk")
    rows = rows.select_related("sync__audience").annotate(step=F("sync__steps"))
    found: dict[int, dict[str, dict[str, int]]] = {}
    for row in rows:
        counts = counts_from(row.as_dict() | {"moved": row.moved})
        if counts["entered"]:
            mine = found.setdefault(row.step, {}).setdefault(
                former_syncs.label(row.sync), no_counts()
            )
            mine.update({name: mine[name] + n for name, n in counts.items()})
    return {
        step: [
            Share(text, [(name, METRICS[name], n[name]) for name in SYNC_METRICS])
            for text, n in by_text.items()
        ]
        for step, by_text in found.items()
        if len(by_text) > 1
    }


def _sums_by_step(tallies: QuerySet[Any]) -> dict[int, dict[str, int]]:
    """Return the counts of ``tallies``, summed over the Syncs of each step. One query."""
    rows = tallies.order_by().values_list("sync__steps").annotate(*SUMS.values())
    return {step: counts_from(dict(zip(SUMS, sums, strict=True))) for step, *sums in rows}


def canvas_numbers(canvases: Sequence[Canvas]) -> dict[int, dict[str, int]]:
    """Return pending and errored people of each canvas. One query."""
    rows = (
        Tally.objects.filter(sync__steps__canvas__in=canvases)
        .order_by()
        .values(canvas=F("sync__steps__canvas"))
    )
    sums = rows.annotate(sum_pending=SUMS["pending"], sum_errored=SUMS["errored"])
    found = {canvas.pk: {"pending": 0, "errored": 0} for canvas in canvases}
    for row in sums:
        found[row["canvas"]] = {"pending": row["sum_pending"], "errored": row["sum_errored"]}
    return found


@dataclass(frozen=True, slots=True)
class Trouble:
    """The worst problem of a canvas, for the list of canvases, with the step that has it."""

    step: int
    is_danger: bool


def troubles(canvases: Sequence[Canvas], *, now: datetime) -> dict[int, Trouble]:
    """Return the worst trouble of each canvas, by its id. One query.

    Looks at current Syncs, and at former ones with pending deliveries.
    """
    asked = Q(pk=F("steps__sync"), is_live=True, steps__removed_at=None)
    asked |= Q(paused=False, tally__pending__gt=0) | Q(undone_by__tally__pending__gt=0)
    syncs = Sync.objects.filter(asked, steps__canvas__in=canvases).select_related(
        problems.SYNC_RELATED
    )
    found: dict[int, Trouble] = {}
    for one in syncs.annotate(of_canvas=F("steps__canvas"), of_step=F("steps__pk")).order_by("pk"):
        severity = problems.severity_of(one, now=now)
        known = found.get(one.of_canvas)
        if severity is None or (known is not None and known.is_danger):
            continue
        found[one.of_canvas] = Trouble(one.of_step, severity is problems.Severity.DANGER)
    return found


@dataclass(frozen=True, slots=True)
class TableQuery:
    """Filter and order of the staff table. Days are UTC, both included."""

    group: str = ""
    state: str = ""
    text: str = ""
    since: date | None = None
    until: date | None = None
    sort: str = "trouble"

    @property
    def has_dates(self) -> bool:
        """Return whether only some days are counted."""
        return bool(self.since or self.until)


@dataclass(frozen=True, slots=True)
class Row:
    """A step in the staff table."""

    group: str
    group_slug: str
    canvas: str
    url: str  # of the step, or of its canvas if the step was removed
    canvas_url: str
    step_id: int
    state: str
    state_label: Text
    step: Text
    numbers: Numbers
    error_rate: float | None
    oldest_pending: datetime | None
    connection: str
    connection_label: Text

    @property
    def metrics(self) -> list[tuple[str, Promise, int | None]]:
        """Return the seven metrics in their order."""
        return self.numbers.metrics(sends=True)

    @property
    def is_in_trouble(self) -> bool:
        """Return whether the connection of the step does not work."""
        return self.connection not in ("", "connected")


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all rows of the filter, not only those of the page."""

    numbers: Numbers
    n_steps: int
    oldest_pending: datetime | None

    @property
    def metrics(self) -> list[tuple[str, Promise, int | None]]:
        """Return the seven metrics in their order."""
        return self.numbers.metrics(sends=True)


def totals(rows: Sequence[Row]) -> Totals:
    """Return the sums of the rows; unknown values count as 0."""
    sums = {name: sum(getattr(row.numbers, name) or 0 for row in rows) for name in METRICS}
    return Totals(
        numbers=Numbers(**sums),
        n_steps=len(rows),
        oldest_pending=min(
            (row.oldest_pending for row in rows if row.oldest_pending), default=None
        ),
    )


SORTS = (
    "trouble",
    "group",
    "canvas",
    "state",
    "step",
    *METRICS,
    "error_rate",
    "oldest_pending",
    "connection",
)
CONNECTIONS: dict[str, Text] = {
    "": _("None"),
    "connected": _("Connected"),
    "not_connected": _("Not connected"),
    "token_refused": _("Needs attention"),
    "sealed": _("Needs attention"),
}


def staff_rows(query: TableQuery, *, now: datetime) -> list[Row]:
    """Return the steps that match, in order. A constant number of queries."""
    steps = _steps_of(query)
    listed = list(steps.select_related("canvas__app_group", f"sync__{problems.SYNC_RELATED}"))
    numbers = step_numbers(listed, steps.values("pk"))
    if query.has_dates:
        _only_dates(numbers, listed, steps.values("pk"), query)
    pending = Batch.objects.filter(
        sync__steps__in=steps.values("pk"), state=Outcome.PENDING, n__gt=0
    ).order_by()
    oldest = dict(pending.values_list("sync__steps").annotate(oldest=Min("created_at")))
    rows = [_row(step, numbers[step.pk], oldest.get(step.pk)) for step in listed]
    return _sorted(rows, query.sort)


def _steps_of(query: TableQuery) -> QuerySet[Step]:
    steps = Step.objects.filter(Q(removed_at=None) | Q(tally__entered__gt=0))
    if query.group:
        steps = steps.filter(canvas__app_group__slug=query.group)
    if query.state:
        steps = steps.filter(canvas__state=query.state)
    if query.text:
        names = Q(canvas__name__icontains=query.text) | Q(
            canvas__app_group__name__icontains=query.text
        )
        names |= Q(name__icontains=query.text) | Q(sync__audience__name__icontains=query.text)
        steps = steps.filter(names)
    return steps


def _row(step: Step, numbers: Numbers, oldest: datetime | None) -> Row:
    canvas, url = step.canvas, step.canvas.get_absolute_url()
    state = ""
    if step.sync is not None:
        state = codes.of_connection(step.sync.audience.ad_account.connection) or "connected"
    return Row(
        group=canvas.app_group.name,
        group_slug=canvas.app_group.slug,
        canvas=canvas.name,
        url=url + ("" if step.removed_at else f"?step={step.pk}"),
        canvas_url=url,
        step_id=step.pk,
        state=canvas.state,
        state_label=Canvas.State(canvas.state).label,
        step=KINDS[step.kind].line(step),
        numbers=numbers,
        error_rate=numbers.error_rate,
        oldest_pending=oldest,
        connection=state,
        connection_label=CONNECTIONS.get(state, state),
    )


def _only_dates(
    numbers: dict[int, Numbers],
    listed: Sequence[Step],
    steps: QuerySet[Any, Any],
    query: TableQuery,
) -> None:
    """Replace the sums by those of the chosen days, as far as they are counted by the hour."""
    hours = TallyHour.objects.filter(sync__steps__in=steps)
    if query.since:
        hours = hours.filter(hour__gte=datetime.combine(query.since, time.min, UTC))
    if query.until:
        hours = hours.filter(hour__lte=datetime.combine(query.until, time.max, UTC))
    found = _sums_by_step(hours)
    for step in listed:
        whole = numbers[step.pk]
        numbers[step.pk] = Numbers(**found.get(step.pk, {}))
        _passage(numbers[step.pk], whole, counted=step.sync_id is not None)


def _passage(days: Numbers, whole: Numbers, *, counted: bool) -> None:
    """Derive proceeded and exited of the chosen days.

    A visit leaves an Audience Sync step at once, so the way out equals entered, unless both ways
    were used. Other steps are not counted by the hour.
    """
    if not counted:
        days.entered = days.proceeded = days.exited = None
    elif whole.proceeded and whole.exited:
        days.proceeded = days.exited = None
    elif whole.proceeded:
        days.proceeded = days.entered
    else:
        days.exited = days.entered


def _sorted(rows: list[Row], sort: str) -> list[Row]:
    name = sort.removeprefix("-")
    if name == "trouble":
        return _worst_first(rows)

    def value(row: Row) -> str | float | datetime | None:
        found = getattr(row.numbers, name) if name in METRICS else getattr(row, name)
        return found if isinstance(found, int | float | datetime | None) else str(found).casefold()

    known = [row for row in rows if value(row) is not None]
    known.sort(key=value, reverse=sort.startswith("-"))  # type: ignore[arg-type]  # no None left
    return known + [row for row in rows if value(row) is None]


def _worst_first(rows: list[Row]) -> list[Row]:
    """Sort by group, groups that cannot send first, then by errors; the same within each group."""
    trouble, errored = {row.group_slug for row in rows if row.is_in_trouble}, Counter[str]()
    for row in rows:
        errored[row.group_slug] += row.numbers.errored

    def badness(row: Row) -> tuple[Any, ...]:
        slug = row.group_slug
        group = slug not in trouble, -errored[slug], row.group.casefold(), slug
        return (
            *group,
            not row.is_in_trouble,
            -row.numbers.errored,
            -row.numbers.pending,
            row.canvas.casefold(),
        )

    return sorted(rows, key=badness)


def csv_rows(rows: Iterable[Row]) -> Iterable[list[str | int]]:
    """Yield the staff table as CSV cells: plain numbers, times in UTC."""
    heads = [_("App group"), _("Canvas"), _("State"), _("Component"), *METRICS.values()]
    yield [
        str(head)
        for head in (*heads, _("Error rate in %"), _("Oldest pending (UTC)"), _("Connection"))
    ]
    for row in rows:
        counts = [getattr(row.numbers, name) for name in METRICS]
        cells = [row.group, row.canvas, row.state_label, row.step]
        yield [
            *(str(cell) for cell in cells),
            *("" if n is None else n for n in counts),
            "" if row.error_rate is None else f"{row.error_rate:.2f}",
            row.oldest_pending.isoformat(timespec="seconds") if row.oldest_pending else "",
            str(row.connection_label),
        ]
