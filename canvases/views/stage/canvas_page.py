"""The flow of a canvas with what its page shows, and the answer as a page or as parts for htmx."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
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
from canvases import analytics, checklist, tree
from canvases.editing import conflicts
from canvases.engine import brake
from canvases.entry_card import headcounts, words
from canvases.entry_card.headcounts import Headcount
from canvases.models import Canvas, Step
from canvases.steps import KINDS, former_syncs
from canvases.steps.base import Text
from canvases.views import counters, last_removal
from canvases.views.stage import flow_layout, flow_view, masked_form
from canvases.views.stage.cards import WAITING, Card, nest_in_splits
from canvases.views.stage.flow_view import FlowView
from partners.health import lines

SETTINGS, NUMBERS, WHO = "settings", "numbers", "who"
TABS: dict[str, Text] = {
    SETTINGS: _("Settings"),
    NUMBERS: _("Numbers"),
    WHO: _("Who would be sent"),
}


@dataclass(slots=True)
class Panel:
    """The right side of the page. ``key``: the id of the open step, or the name of the panel.

    ``tab``: of a step, a key of TABS.
    """

    template: str = "canvases/panels/empty.html"
    key: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    tab: str = ""

    @property
    def query(self) -> str:
        """Return the query string that opens this panel again."""
        if self.key.isdigit():
            return f"?step={self.key}" + (f"&tab={self.tab}" if self.tab else "")
        return f"?{self.key}=1" if self.key else ""

    @property
    def tabs(self) -> list[tuple[str, Text]]:
        """Return the tabs of a step."""
        return list(TABS.items())

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is open and there is no message."""
        return not self.key and not self.has_banner

    @property
    def has_banner(self) -> bool:
        """Return whether a message stands on top of the panel."""
        return bool(self.context.get("banner"))


@dataclass
class Flow:
    """The flow of a canvas, with numbers and problems, as its page shows it."""

    canvas: Canvas
    cards: list[Card]  # in the order of reading
    removed: list[Card]
    path: list[Card]  # those that are in no branch
    banner: list[str] = field(default_factory=list)  # problems of the connections of the group
    n_held: int = 0  # people whose removal a brake holds
    entry: str = ""  # entry and exit in one sentence, or what is missing
    lacks_entry: bool = False
    headcounts: list[Headcount] = field(default_factory=list)
    n_left_early: int = 0
    may_edit: bool = False  # the role of the reader; set by `answer`
    view: FlowView = field(default_factory=FlowView)  # set by `answer`
    can_undo: bool = False  # whether the last removal can be undone; set by `answer`
    focus: str = ""  # the step whose card takes the focus
    announcement: Text = ""  # of an edit, for screen readers
    changes: counters.Changes | None = None  # since the page was drawn; None: draw all of the flow

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
        """Return the card of a step, also of a removed one."""
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
    def in_trouble(self) -> list[Card]:
        """Return the cards with a problem."""
        return [card for card in self.cards if card.tone == "trouble"]

    @property
    def incomplete(self) -> list[Card]:
        """Return the cards that lack settings."""
        return [card for card in self.cards if card.is_incomplete]

    @property
    def waited_at(self) -> list[Card]:
        """Return the cards at which people wait."""
        return [card for card in self.cards if card.numbers.waiting]

    @property
    def n_waiting(self) -> int:
        """Return how many people wait in the flow."""
        return sum(card.numbers.waiting for card in self.cards)

    @property
    def n_through(self) -> int:
        """Return how many people came to the end of the flow, without those who took an exit."""
        return sum(card.numbers.exited or 0 for card in self.all_cards if not card.ends_path)

    @property
    def n_clearing(self) -> int:
        """Return how many people at removed components are still to be moved."""
        return sum(card.numbers.waiting for card in self.removed if card.step.is_clearing)

    @property
    def end(self) -> str:
        """Return the place at the end of the flow."""
        return self.path[-1].id if self.path else "first"

    @property
    def takes_more(self) -> bool:
        """Return whether a component can be added at the end of the flow."""
        return not self.path or not self.path[-1].ends_path

    @property
    def splits(self) -> list[str]:
        """Return the ids of the splits."""
        return [card.id for card in self.cards if card.branches]

    @property
    def view_query(self) -> str:
        """Return the query string that keeps the view and opens no panel."""
        return self.view.query.replace("&", "?", 1)

    @property
    def zooms(self) -> list[tuple[str, str, bool]]:
        """Return (per cent, query string, whether it is the present one) to choose from."""
        return [
            (zoom, self.view.with_zoom(zoom), zoom == self.view.zoom) for zoom in flow_view.ZOOMS
        ]

    @property
    def fit_query(self) -> str:
        """Return the query string that makes the flow fit the page."""
        return self.view.with_zoom(flow_view.FIT)

    @property
    def fold_query(self) -> str:
        """Return the query string that folds all branches, or unfolds those that are folded."""
        return self.view.with_folded(*(() if self.view.folded else (flow_view.ALL,)))

    @property
    def zoom(self) -> str:
        """Return the size at which to draw the flow, in per cent."""
        if self.view.zoom != flow_view.FIT:
            return self.view.zoom
        return flow_layout.fitting_zoom(self.path)

    def apply_view(self, view: FlowView) -> None:
        """Set the view: which branches are folded, and how large the flow is drawn."""
        self.view, splits = view, self.splits
        for card in self.cards:
            if card.branches:
                card.is_folded = view.folds(card.id)
                card.fold_query = view.toggled(card.id, splits)
        flow_layout.draw_merges(self.path)

    @property
    def heads(self) -> list[tuple[str, Text]]:
        """Return the columns of the table of numbers."""
        return [*analytics.METRICS.items(), ("waiting", WAITING)]

    @cached_property
    def version(self) -> str:
        """Return a hash of everything that the page shows."""
        return counters.version(self)


def read(canvas: Canvas, *, now: datetime) -> Flow:
    """Read the flow of a canvas with all its page shows. A constant number of queries."""
    steps = tree.in_order(checklist.steps_of(canvas))
    removed_steps = _removed_steps(canvas)
    numbers = analytics.step_numbers([*steps, *removed_steps])
    shares = analytics.shares([*steps, *removed_steps])
    removals = analytics.removal_numbers([*steps, *removed_steps])
    conflicts_of = conflicts.of_steps(steps)
    n_held = brake.n_held(canvas) if canvas.braked_at else 0
    holding = brake.held_step_ids(canvas) if n_held else []

    def card(step: Step) -> Card:
        kind = KINDS[step.kind]
        return Card(
            step,
            kind,
            kind.summary(step),
            list(kind.problems(step, now=now)),
            numbers[step.pk],
            shares.get(step.pk, []),
            removals.get(step.pk),
            conflicts_of.get(step.pk, []),
            step.pk in holding,
        )

    cards, removed = [card(step) for step in steps], [card(step) for step in removed_steps]
    for number, flow_card in enumerate(cards, start=1):
        flow_card.number = number
    path = nest_in_splits(cards)
    banner = [problem.text for problem in lines.banner(canvas.app_group)]
    missing = words.missing_choices(canvas)
    entry = str(missing[0].text) if missing else _entry_words(canvas, now=now)
    return Flow(
        canvas,
        cards,
        removed,
        path,
        banner,
        n_held,
        entry,
        bool(missing),
        *_launched_numbers(canvas),
    )


def _removed_steps(canvas: Canvas) -> list[Step]:
    """Return the removed steps that have numbers to show."""
    steps = canvas.steps.exclude(removed_at=None).filter(tally__entered__gt=0)
    return list(steps.select_related("sync__audience").prefetch_related(former_syncs.PREFETCH))


def _launched_numbers(canvas: Canvas) -> tuple[list[Headcount], int]:
    """Return the headcounts and the number of early exits; none before the first launch."""
    if canvas.launched_at is None:
        return [], 0
    n_left = canvas.exit_tallies.aggregate(n=Sum("n"))["n"] or 0
    return headcounts.of_canvas(canvas), n_left


def _entry_words(canvas: Canvas, *, now: datetime) -> str:
    joined = canvas.exit_segments.order_by("segment__name").values_list("segment__name", flat=True)
    return words.sentence(canvas, exit_segments=list(joined), now=now)


def wants_parts(request: HttpRequest) -> bool:
    """Return whether htmx asks for parts of a page, not for a whole page of its history."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def answer(
    request: HttpRequest,
    flow: Flow,
    panel: Panel,
    *,
    status: int = 200,
    part: str = "canvases/_answer.html",
) -> HttpResponse:
    """Return the page, or for htmx its panel, with the other parts out of band."""
    template = part if wants_parts(request) else "canvases/canvas.html"
    form = panel.context.get("form")
    for card in flow.cards:
        has_errors = bool(form is not None and form.errors)
        card.is_checked = panel.key == "launch" or (panel.key == card.id and has_errors)
    flow.apply_view(flow_view.of_request(request, flow.canvas.get_absolute_url()))
    flow.may_edit = access.membership(request).may(Role.MARKETER)
    if form is not None and not flow.may_edit:
        masked_form.mask(form)
    steps = [card.step for card in flow.cards]
    flow.can_undo = flow.is_editable and last_removal.can_be_undone(request, flow.canvas, steps)
    context = {"canvas": flow.canvas, "flow": flow, "panel": panel, "may_edit": flow.may_edit}
    context |= panel.context
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def answer_change(
    request: HttpRequest,
    canvas: Canvas,
    open_panel: Callable[[Flow], Panel],
    *,
    text: Text,
    announce: Callable[[Flow], Text] | None = None,
    query: str = "",
    focus: str = "",
    now: datetime,
) -> HttpResponse:
    """Answer a successful change: a redirect with a message, or for htmx the changed parts.

    The flow is read once, here, after the change; ``open_panel`` makes the panel from it.
    A banner in the panel replaces the toast. ``focus``: the step whose card takes the focus.
    """
    view = flow_view.of_request(request, canvas.get_absolute_url()).query
    url = canvas.get_absolute_url() + (query + view if query else view.replace("&", "?", 1))
    if not wants_parts(request):
        if text:
            messages.success(request, str(text))
        return redirect(f"{url}#card-{focus}" if focus else url)
    canvas.refresh_from_db()
    flow = read(canvas, now=now)
    panel = open_panel(flow)
    flow.announcement, flow.focus = announce(flow) if announce else "", focus
    response = answer(request, flow, panel)
    response["HX-Push-Url"] = url
    return htmx.toast(response, str(text)) if text and not panel.has_banner else response
