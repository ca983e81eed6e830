"""The numbers of steps and canvases: for cards and the list of canvases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import F, Q, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from canvases.models import Canvas, Step
from canvases.steps import former_syncs
from canvases.steps.base import Text
from partners.connections import problems
from partners.models import Sync, Tally
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
VISIT_COUNTS = ("entered", "proceeded", "exited", "waiting")
SYNC_METRICS = ("synced", "not_synced", "pending", "errored")
SUMMED = (*SYNC_METRICS, "cancelled")


@dataclass(slots=True)
class Numbers:
    """The seven metrics of a step, and its waiting and cancelled people.

    A number is None if it is not known for the chosen dates.
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


def step_numbers(steps: Iterable[Step]) -> dict[int, Numbers]:
    """Return the numbers of each step over all its Syncs.

    One query, because the numbers of a card must add up: between two queries visits may move.
    """
    numbers_of = {step.pk: Numbers() for step in steps}
    visit_columns = [f"tally__{name}" for name in VISIT_COUNTS]
    sums = [Sum(f"syncs__tally__{name}", default=0) for name in COLUMNS]
    for step, *counts in (
        Step.objects.filter(pk__in=list(numbers_of))
        .order_by()
        .values_list("pk", *visit_columns)
        .annotate(*sums)
    ):
        visit_counts, sync_counts = (
            counts[: len(VISIT_COUNTS)],
            counts_from(dict(zip(COLUMNS, counts[len(VISIT_COUNTS) :], strict=True))),
        )
        numbers = {name: sync_counts[name] for name in SUMMED} | dict(
            zip(VISIT_COUNTS, visit_counts, strict=True)
        )
        # The columns of a step without a tally are NULL.
        numbers_of[step] = Numbers(**{name: n or 0 for name, n in numbers.items()})
    return numbers_of


@dataclass(frozen=True, slots=True)
class Removed:
    """The people whom a step added and who left: how many were removed, and how many not."""

    synced: int = 0
    wanted: int = 0  # still wanted in the audience by another component
    pending: int = 0
    errored: int = 0
    cancelled: int = 0

    @property
    def stay(self) -> int:
        """Return how many people are not removed, or not yet."""
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


def removal_numbers(steps: Iterable[Step]) -> dict[int, Removed]:
    """Return the numbers of each step that has removed people who left. One query."""
    tallies = Tally.objects.filter(sync__undoes__steps__in=[step.pk for step in steps])
    rows = tallies.order_by().values_list("sync__undoes__steps").annotate(*SUMS.values())
    removed_of = {}
    for step, *sums in rows:
        numbers = counts_from(dict(zip(SUMS, sums, strict=True)))
        removed_of[step] = Removed(
            synced=numbers["synced"],
            # All people who were added have an identifier to send. So a removal is not sent only if
            # another component wants the person.
            wanted=numbers["not_synced"],
            pending=numbers["pending"],
            errored=numbers["errored"],
            cancelled=numbers["cancelled"],
        )
    return removed_of


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a step's numbers that belongs to one audience and action (``text``: in words)."""

    text: str
    metrics: list[tuple[str, Promise, int]]


def shares(steps: Iterable[Step]) -> dict[int, list[Share]]:
    """Return step -> its shares, if it has had Syncs of several audiences or actions. One query."""
    rows = Tally.objects.filter(sync__steps__in=[step.pk for step in steps]).order_by("pk")
    rows = rows.select_related("sync__audience").annotate(step=F("sync__steps"))
    counts_of: dict[int, dict[str, dict[str, int]]] = {}
    for row in rows:
        counts = counts_from(row.as_dict() | {"moved": row.moved})
        if counts["entered"]:
            counts_here = counts_of.setdefault(row.step, {}).setdefault(
                former_syncs.label(row.sync), no_counts()
            )
            counts_here.update({name: counts_here[name] + n for name, n in counts.items()})
    return {
        step: [
            Share(text, [(name, METRICS[name], counts_by_name[name]) for name in SYNC_METRICS])
            for text, counts_by_name in by_text.items()
        ]
        for step, by_text in counts_of.items()
        if len(by_text) > 1
    }


def canvas_numbers(canvases: Sequence[Canvas]) -> dict[int, dict[str, int]]:
    """Return pending and errored people of each canvas. One query."""
    rows = (
        Tally.objects.filter(sync__steps__canvas__in=canvases)
        .order_by()
        .values(canvas=F("sync__steps__canvas"))
    )
    sums = rows.annotate(sum_pending=SUMS["pending"], sum_errored=SUMS["errored"])
    numbers_of = {canvas.pk: {"pending": 0, "errored": 0} for canvas in canvases}
    for row in sums:
        numbers_of[row["canvas"]] = {"pending": row["sum_pending"], "errored": row["sum_errored"]}
    return numbers_of


@dataclass(frozen=True, slots=True)
class Trouble:
    """The worst problem of a canvas, for the list of canvases, with the step that has it."""

    step: int
    is_danger: bool


def troubles(canvases: Sequence[Canvas]) -> dict[int, Trouble]:
    """Return the worst trouble of each canvas, by its id. One query.

    The troubles of current Syncs count, and those of former Syncs with pending deliveries.
    """
    looked_at_q = Q(pk=F("steps__sync"), is_live=True, steps__removed_at=None)
    looked_at_q |= Q(paused=False, tally__pending__gt=0) | Q(undone_by__tally__pending__gt=0)
    syncs = Sync.objects.filter(looked_at_q, steps__canvas__in=canvases).select_related(
        problems.SYNC_RELATED
    )
    trouble_of: dict[int, Trouble] = {}
    for sync in syncs.annotate(of_canvas=F("steps__canvas"), of_step=F("steps__pk")).order_by("pk"):
        severity = problems.severity_of(sync)
        earlier = trouble_of.get(sync.of_canvas)
        if severity is None or (earlier is not None and earlier.is_danger):
            continue
        trouble_of[sync.of_canvas] = Trouble(sync.of_step, severity is problems.Severity.DANGER)
    return trouble_of
