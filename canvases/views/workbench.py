"""The data of the canvas page (the bench), and its answer as a page or as parts for htmx."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy as _

from audiencesync.core import htmx
from audiencesync.groups import access
from audiencesync.groups.models import Role
from canvases import analytics, checklist, conflicts, pending, tree
from canvases.analytics import Numbers, Removed, Share
from canvases.conflicts import Conflict
from canvases.engine import brake
from canvases.entry_card import headcounts, words
from canvases.entry_card.headcounts import Headcount
from canvases.models import BranchTally, Canvas, Step
from canvases.steps import KINDS, former
from canvases.steps.base import StepKind, StepProblem, Text
from partners import registry, sync
from partners.base import Partner
from partners.connections import problems

WAITING: Text = _("Waiting here")


@dataclass(slots=True)
class Way:
    """A branch of a split as the flow shows it. ``ends``: it does not meet the others again."""

    number: int
    label: Text
    n: int
    ends: bool
    path: list[Card]
    split: Card

    @property
    def place(self) -> str:
        """Return the place at its end, to add a component to."""
        return self.path[-1].id if self.path else self.start

    @property
    def start(self) -> str:
        """Return the place at its beginning."""
        return f"{self.split.id}-{self.number}"

    @property
    def takes_more(self) -> bool:
        """Return whether a component can be added at its end."""
        return not self.path or not self.path[-1].leaves


@dataclass(slots=True)
class Card:
    """A step as the flow shows it."""

    step: Step
    kind: StepKind
    summary: Text
    problems: list[StepProblem]
    numbers: Numbers
    shares: list[Share] = field(default_factory=list)  # for a step with several audiences
    removed: Removed | None = None  # for a step that has removed people again
    conflicts: list[Conflict] = field(default_factory=list)
    branches: list[Way] = field(default_factory=list)  # of a split
    is_first: bool = False
    is_last: bool = False
    is_checked: bool = False  # its form was sent, or a launch was asked for; set by `answer`

    @property
    def id(self) -> str:
        """Return the id of the step as text: templates put a thousands separator into numbers."""
        return str(self.step.pk)

    @property
    def leaves(self) -> bool:
        """Return whether all people leave here, so that nothing can come after it."""
        return not self.kind.branches(self.step)

    @property
    def tone(self) -> str:
        """Return "new" (never saved), "incomplete" (settings missing), "trouble" or ""."""
        if not self.problems:
            return ""
        if self.kind.is_set_up(self.step):
            return "trouble"
        is_new = self.step.version == 1 and self.step.settings == self.kind.first_settings()
        return "new" if is_new else "incomplete"

    @property
    def icon(self) -> str:
        """Return the icon of the step, such as the logo of its partner."""
        return self.kind.icon_of(self.step)

    @property
    def partner_label(self) -> str:
        """Return the name of the partner that gets the people."""
        return registry.names(self.partners)

    @property
    def partners(self) -> Sequence[Partner]:
        """Return the partner that gets the people; several while none is chosen."""
        return self.kind.partners_of(self.step)

    @property
    def css_class(self) -> str:
        """Return the classes of the card; a new step is not marked before it is checked."""
        if self.tone == "trouble":
            return "step has-problem" + (" is-passing" if self.problems[0].is_passing else "")
        if self.tone == "incomplete" or (self.tone and self.is_checked):
            return "step is-incomplete"
        return "step is-new" if self.tone else "step"

    @property
    def is_errored(self) -> bool:
        """Return whether people are errored, on their way into the audience or out of it."""
        return bool(self.numbers.errored or (self.removed and self.removed.errored))

    @property
    def has_reasons(self) -> bool:
        """Return whether people are not synced, or not removed although they left."""
        counts = self.numbers
        unsynced = (counts.not_synced, counts.errored, counts.pending, counts.cancelled)
        return any(unsynced) or bool(self.removed and self.removed.stay)

    @property
    def wanted_by(self) -> list[sync.Want]:
        """Return who else wants the people who left this step."""
        if self.removed is None or not self.removed.wanted:
            return []
        return sync.wanted_elsewhere(self.step.syncs.values_list("pk", flat=True))

    @property
    def question(self) -> pending.Question | None:
        """Return the question about people pending in former Syncs; None if there are none."""
        return pending.question(self.step)

    @property
    def metrics(self) -> list[tuple[str, Any, int | None]]:
        """Return the seven metrics, or those of the journey if the step does not send."""
        return self.numbers.metrics(sends=self.sends)

    @property
    def columns(self) -> list[tuple[str, Any, int | None]]:
        """Return the seven metrics and the waiting people; None where a step has no such number."""
        known = {name: n for name, _label, n in self.metrics}
        row = [(name, label, known.get(name)) for name, label in analytics.METRICS.items()]
        return [*row, ("waiting", WAITING, self.numbers.waiting)]

    @property
    def sends(self) -> bool:
        """Return whether people are synced to a partner here."""
        return self.kind.sends


@dataclass(slots=True)
class Panel:
    """The right side of the page. ``key``: a step id, or the name of the open panel."""

    template: str = "canvases/panels/empty.html"
    key: str = ""
    context: dict[str, Any] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """Return the query string that opens this panel again."""
        return f"?step={self.key}" if self.key.isdigit() else f"?{self.key}=1" if self.key else ""

    @property
    def has_banner(self) -> bool:
        """Return whether a message stands on top of the panel."""
        return bool(self.context.get("banner"))


@dataclass(slots=True)
class Bench:
    """The data of a canvas page."""

    canvas: Canvas
    cards: list[Card]  # in the order of reading
    removed: list[Card]
    path: list[Card]  # those that are in no branch
    banner: list[str] = field(default_factory=list)  # problems of the connections of the group
    n_held: int = 0  # people who would be removed, if a brake holds that
    entry: str = ""  # entry and exit in one sentence, or what is missing
    lacks_entry: bool = False
    headcounts: list[Headcount] = field(default_factory=list)
    n_left_early: int = 0
    may_edit: bool = False  # the role of the reader; set by `answer`

    @property
    def is_editable(self) -> bool:
        """Return whether components can be added, moved and removed."""
        return self.may_edit and self.canvas.is_idle

    @property
    def is_savable(self) -> bool:
        """Return whether settings can be saved; those of a live canvas can."""
        return self.may_edit and self.canvas.state != Canvas.State.ARCHIVED

    def card(self, step_id: object) -> Card | None:
        """Return the card of a step."""
        return next((card for card in self.cards if card.id == str(step_id)), None)

    def any_card(self, step_id: object) -> Card | None:
        """Return the card of a step, which may be removed."""
        return next((card for card in self.all_cards if card.id == str(step_id)), None)

    @property
    def all_cards(self) -> list[Card]:
        """Return the cards of the flow, then those of removed steps."""
        return [*self.cards, *self.removed]

    @property
    def pending(self) -> int:
        """Return the number of pending people in all steps."""
        return sum(card.numbers.pending for card in self.all_cards)

    @property
    def is_in_trouble(self) -> bool:
        """Return whether a step of the flow has a problem."""
        return any(card.tone == "trouble" for card in self.cards)

    @property
    def heads(self) -> list[tuple[str, Text]]:
        """Return the columns of the table of numbers."""
        return [*analytics.METRICS.items(), ("waiting", WAITING)]

    @property
    def version(self) -> str:
        """Return a hash of everything that the cards show."""
        cards = [
            (
                card.id,
                str(card.summary),
                [str(problem.text) for problem in card.problems],
                card.numbers,
                card.shares,
                card.removed,
                card.conflicts,
                [(one.number, str(one.label), one.n) for one in card.branches],
            )
            for card in (*self.cards, *self.removed)
        ]
        seen = repr(
            (
                self.canvas.state,
                self.canvas.name,
                self.canvas.entered,
                self.canvas.turned_away,
                self.canvas.too_old,
                self.entry,
                self.headcounts,
                self.n_left_early,
                cards,
                self.banner,
                self.n_held,
            )
        )
        return hashlib.sha256(seen.encode()).hexdigest()[:16]


def read(canvas: Canvas, *, now: datetime) -> Bench:
    """Read the bench of a canvas. A constant number of queries."""
    steps = tree.in_order(checklist.steps_of(canvas))
    for step in steps:
        step.canvas = canvas
    left = (
        canvas.steps.exclude(removed_at=None)
        .filter(tally__entered__gt=0)
        .select_related("sync__audience")
    )
    gone = list(left.prefetch_related(former.PREFETCH))
    numbers = analytics.step_numbers([*steps, *gone])
    shares = analytics.shares([*steps, *gone])
    undone = analytics.removed([*steps, *gone])
    opposed = conflicts.of_steps(steps)

    def card(step: Step) -> Card:
        kind = KINDS[step.kind]
        return Card(
            step,
            kind,
            kind.summary(step),
            list(kind.problems(step, now=now)),
            numbers[step.pk],
            shares.get(step.pk, []),
            undone.get(step.pk),
            opposed.get(step.pk, []),
        )

    cards, removed = [card(step) for step in steps], [card(step) for step in gone]
    path = _path(cards)
    banner = [problem.text for problem in problems.broken_connections(canvas.app_group, now=now)]
    n_held = brake.n_held(canvas) if canvas.braked_at else 0
    missing = words.missing(canvas)
    entry = str(missing[0].text) if missing else _entry_words(canvas, now=now)
    return Bench(canvas, cards, removed, path, banner, n_held, entry, bool(missing), *_head(canvas))


def _path(cards: Sequence[Card]) -> list[Card]:
    """Nest the cards of branches in those of their splits; return the others."""
    by_id = {card.step.pk: card for card in cards}
    steps = [card.step for card in cards]
    took = {
        (row.step_id, row.branch): row.n
        for row in BranchTally.objects.filter(step__in=[s for s in steps if KINDS[s.kind].splits])
    }

    def drawn(path: tree.Path) -> list[Card]:
        found = []
        for node in path.nodes:
            card = by_id[node.step.pk]
            labels = {one.number: one.label for one in card.kind.branches(card.step)}
            card.branches = [
                Way(
                    one.number,
                    labels[one.number],
                    took.get((card.step.pk, one.number), 0),
                    one.ends,
                    drawn(one),
                    card,
                )
                for one in node.branches
            ]
            card.is_first = card.step.parent_id is None
            found.append(card)
        if found:
            found[-1].is_last = tree.block_around(steps, found[-1].step) is None
        return found

    return drawn(tree.outline(steps, numbers_of))


def numbers_of(step: Step) -> list[int]:
    """Return the numbers of the branches of a step."""
    return [branch.number for branch in KINDS[step.kind].branches(step)]


def _head(canvas: Canvas) -> tuple[list[Headcount], int]:
    """Return the numbers of a canvas that was launched, and how many visits ended early."""
    if canvas.launched_at is None:
        return [], 0
    n_left = canvas.exit_tallies.aggregate(n=Sum("n"))["n"] or 0
    return headcounts.of_canvas(canvas), n_left


def _entry_words(canvas: Canvas, *, now: datetime) -> str:
    joined = canvas.exit_segments.order_by("segment__name").values_list("segment__name", flat=True)
    return words.sentence(canvas, exit_segments=list(joined), now=now)


def wants_parts(request: HttpRequest) -> bool:
    """Return whether htmx asks, and not to restore a page from its history."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def answer(
    request: HttpRequest,
    bench: Bench,
    panel: Panel,
    *,
    status: int = 200,
    part: str = "canvases/_answer.html",
) -> HttpResponse:
    """Return the page, or for htmx its panel, with the other parts out of band."""
    template = part if wants_parts(request) else "canvases/canvas.html"
    form = panel.context.get("form")
    for card in bench.cards:
        has_errors = bool(form is not None and form.errors)
        card.is_checked = panel.key == "launch" or (panel.key == card.id and has_errors)
    bench.may_edit = access.membership(request).may(Role.MARKETER)
    context = {"canvas": bench.canvas, "bench": bench, "panel": panel, "may_edit": bench.may_edit}
    context |= panel.context
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def done(
    request: HttpRequest,
    canvas: Canvas,
    open_panel: Callable[[Bench], Panel],
    *,
    text: Text,
    query: str = "",
    now: datetime,
) -> HttpResponse:
    """Answer a successful change: a redirect with a message, or for htmx the changed parts.

    The bench is read here and only here, after the change; ``open_panel`` makes the panel of it.
    A banner in the panel replaces the toast.
    """
    url = canvas.get_absolute_url() + query
    if not wants_parts(request):
        if text:
            messages.success(request, str(text))
        return redirect(url)
    canvas.refresh_from_db()
    bench = read(canvas, now=now)
    panel = open_panel(bench)
    response = answer(request, bench, panel)
    response["HX-Push-Url"] = url
    return htmx.toast(response, str(text)) if text and not panel.has_banner else response
