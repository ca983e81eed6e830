"""The right side of the canvas page: a step, the entry, the menu of components, launch and stop."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _

from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.groups import access
from audiencesync.groups.models import Role
from audiencesync.people.models import Segment
from audiencesync.people.segments import filters, live_changes
from audiencesync.people.writing import event_names
from canvases import checklist, engine, prospects, reasons, recipes, tree
from canvases.editing import pending, removal
from canvases.engine import admission, schedules
from canvases.entry_card import api_call, words
from canvases.entry_card.form import EntryForm
from canvases.models import Canvas, LeftBy, Step
from canvases.steps import KINDS
from canvases.steps.base import StepForm, Text
from canvases.views import prospect_tab
from canvases.views.stage.canvas_page import NUMBERS, SETTINGS, TABS, WHO, Flow, Panel
from canvases.views.stage.cards import Card

MAX_SUGGESTIONS = 250  # names of events

COUNT_SECONDS = 2.0
FORECAST_SECONDS = 10.0
MAX_RECIPES = 3  # beside an empty canvas


@dataclass(frozen=True, slots=True)
class Banner:
    """A message on top of the panel. ``kind``: success, warning or danger."""

    kind: str
    text: Text


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that two users have set to different values."""

    label: Text
    mine: str
    theirs: str


def of_query(request: HttpRequest, flow: Flow, *, now: datetime) -> Panel:
    """Return the panel that the query string names; an empty one if it names none."""
    params = request.GET
    if "step" in params and (card := flow.card(params["step"])):
        return _step_panel(request, flow, card, now=now)
    if "remove" in params and flow.canvas.is_idle and (card := flow.card(params["remove"])):
        return of_remove(flow, card.step)
    if "place" in params and flow.canvas.is_idle and (card := flow.card(params["place"])):
        return of_place(flow, card)
    if "former" in params and (card := flow.any_card(params["former"])):
        return of_former(flow, card.step)
    if "entry" in params:
        return of_entry(flow.canvas, now=now)
    if "add" in params:
        return of_menu(flow, params["add"])
    if "launch" in params:
        may_launch = flow.canvas.state != Canvas.State.LIVE and access.membership(request).may(
            Role.MARKETER
        )
        partner_problems = checklist.partner_problems(flow.canvas, now=now) if may_launch else ()
        return of_launch(flow, now=now, partner_problems=partner_problems)
    if "stop" in params:
        return of_stop(flow)
    if "left" in params:
        return of_exits(flow.canvas)
    return of_nothing(flow)


def of_nothing(flow: Flow) -> Panel:
    """Return an empty panel; beside an empty canvas, with some recipes."""
    offered = [] if flow.cards else list(recipes.RECIPES.values())[:MAX_RECIPES]
    return Panel(context={"recipes": offered})


def _step_panel(request: HttpRequest, flow: Flow, card: Card, *, now: datetime) -> Panel:
    """Return the requested tab of a step; by default settings, in a live canvas numbers."""
    params = request.GET
    with_reasons = "reasons" in params
    is_live = flow.canvas.state == Canvas.State.LIVE
    tab = NUMBERS if with_reasons or is_live else SETTINGS
    if params.get("tab") in TABS and not with_reasons:
        tab = params["tab"]
    panel = of_step(card, tab=tab, with_reasons=with_reasons)
    # A tab that was clicked keeps the focus, and so does a link inside it.
    stays = request.headers.get("HX-Trigger", "").startswith("tab-") or "people" in params
    panel.context["takes_focus"] = "HX-Request" in request.headers and not (stays or with_reasons)
    if tab == WHO:
        panel.context |= prospect_tab.context(request, flow, card, now=now)
    return panel


def of_step(
    card: Card,
    form: StepForm | None = None,
    *,
    tab: str = SETTINGS,
    banner: Banner | None = None,
    conflict: list[Difference] | None = None,
    with_reasons: bool = False,
    question: pending.Question | None = None,
) -> Panel:
    """Return a tab of a step: its editor, or its numbers."""
    form = form or KINDS[card.step.kind].form(step=card.step, initial=card.step.settings)
    context = {
        "card": card,
        "form": form,
        "banner": banner,
        "conflict": conflict,
        "version": str(card.step.version),
        "reasons": reasons.reasons(card.step) if with_reasons else None,
        "question": question,
    }
    return Panel("canvases/panels/step.html", card.id, context, tab)


def of_remove(flow: Flow, step: Step, *, banner: Banner | None = None) -> Panel:
    """Return the confirmation of a removal, with the question about pending people."""
    card = flow.any_card(step.pk)
    if card is None:
        return Panel()
    steps = [flow_card.step for flow_card in flow.cards]
    inside = tree.steps_inside(steps, card.step)
    steps_to_remove = [card.step, *inside]
    context = {
        "card": card,
        "banner": banner,
        "question": pending.removal_question(steps_to_remove),
        "branches": [branch for branch in card.branches if branch.path] if inside else [],
        "n_inside": len(inside),
        "n_waiting": removal.n_waiting(steps_to_remove),
        "people_choices": removal.People.choices,
    }
    return Panel("canvases/panels/remove.html", card.id, context)


def of_place(flow: Flow, card: Card) -> Panel:
    """Return the places that a step can move to, and the button that copies it."""
    places = [("first", _("At the beginning"))] if not card.is_first else []
    places += _places(flow.path, card)
    n_inside = sum(len(branch.cards) for branch in card.branches)
    context = {"card": card, "places": places, "n_inside": n_inside}
    return Panel("canvases/panels/place.html", card.id, context)


def _places(path: Iterable[Card], moved: Card) -> list[tuple[str, str]]:
    """Return (place, label) after each card but ``moved``, and at the start of each branch."""
    places = []
    for card in path:
        if card is moved:
            continue
        name = f"{card.number} {card.title}"
        for branch in card.branches:
            params = {"name": name, "branch": branch.label}
            label = _("In %(name)s, at the start of “%(branch)s”") % params
            places += [(branch.start, label), *_places(branch.path, moved)]
        if not card.ends_path:
            places.append((card.id, _("After %(name)s") % {"name": name}))
    return [(place, label) for place, label in places if place != moved.place]


def of_former(flow: Flow, step: Step, *, banner: Banner | None = None) -> Panel:
    """Return the question about people pending in former Syncs."""
    card = flow.any_card(step.pk)
    if card is None or card.question is None:
        return Panel(context={"banner": banner} if banner else {})
    return Panel("canvases/panels/former.html", card.id, {"card": card, "banner": banner})


def of_entry(
    canvas: Canvas,
    form: EntryForm | None = None,
    *,
    banner: Banner | None = None,
    conflict: list[Difference] | None = None,
    now: datetime,
) -> Panel:
    """Return the form of name, entry and exit."""
    form = form or EntryForm(instance=canvas, now=now)
    context = {
        "form": form,
        "banner": banner,
        "conflict": conflict,
        "version": str(canvas.version),
        "entry_words": words.entry(canvas, now=now),
        "call": api_call.curl(canvas),
        "events": event_names.page(canvas.app_group, start=0, n=MAX_SUGGESTIONS),
    }
    return Panel("canvases/panels/entry.html", "entry", context)


def of_menu(flow: Flow, after: str, *, banner: Banner | None = None) -> Panel:
    """Return the menu of components to insert after a step, or first."""
    step, _dash, number = after.partition("-")
    card = flow.card(step)
    branches = card.branches if card else []
    branch = next(
        (card_branch for card_branch in branches if str(card_branch.number) == number), None
    )
    context = {
        "kinds": list(KINDS.values()),
        "after": (f"{card.id}-{branch.number}" if branch else card.id) if card else "first",
        "after_card": card,
        "after_branch": branch,
    }
    return Panel("canvases/panels/add.html", "add", context | {"banner": banner})


def of_launch(
    flow: Flow,
    *,
    now: datetime,
    partner_problems: Iterable[checklist.Item] = (),
    banner: Banner | None = None,
) -> Panel:
    """Return the checklist, the forecast and the launch button.

    ``partner_problems``: the result of checklist.partner_problems, if the partner was asked.
    """
    canvas = flow.canvas
    items = checklist.items(canvas, now=now, partner_items=partner_problems)
    is_blocked = any(item.blocks for item in items)
    context = {"items": items, "is_blocked": is_blocked, "banner": banner, "pending": flow.pending}
    context["edition"] = canvas.edition()
    if not is_blocked:
        context |= _since_the_stop(canvas, now=now)
    if not is_blocked and canvas.segment and canvas.enters_in_crowds:
        context |= _forecast(canvas, canvas.segment, now=now)
    return Panel("canvases/panels/launch.html", "launch", context)


def _forecast(canvas: Canvas, segment: Segment, *, now: datetime) -> dict[str, Any]:
    """Return how many would enter at a launch now, how many not and why, and their forecast.

    ``been``: people of the segment whom the re-entry rule keeps out; ``kept_out``: people whom an
    exit segment or a cap keeps out. Counting takes a bounded time; ``is_cut``: not all are counted.
    """
    ends_at, forecast = time.monotonic() + FORECAST_SECONDS, dict[str, Any](prospects=[])
    if canvas.entry_by == Canvas.EntryBy.SCHEDULE:
        forecast["first_run"] = schedules.next_run(canvas, now=now)
    try:
        with at_most(FORECAST_SECONDS):
            allowed = engine.entry_candidates(canvas, now=now)
            entering = engine.would_enter(canvas, allowed, now=now)
            n_allowed, n_entering = allowed.count(), entering.count()
            n_been_there = filters.members(segment).count() - n_allowed if canvas.launched_at else 0
            n_kept_out = n_allowed - n_entering
            forecast |= {"people": n_entering, "been": n_been_there, "kept_out": n_kept_out}
            for prospect in prospects.of_launch(canvas, entering, now=now):
                forecast["prospects"].append(prospect)
                if time.monotonic() > ends_at:
                    raise TooSlow
    except TooSlow:
        forecast["is_cut"] = True
    return forecast


def _since_the_stop(canvas: Canvas, *, now: datetime) -> dict[str, int]:
    """Return what happened while a canvas was stopped and has effects at its next launch.

    ``over``: people whose wait is over; ``left``, ``joined``: the entry segment since the stop.
    """
    if canvas.state != Canvas.State.STOPPED:
        return {}
    n_over = canvas.visits.filter(left_at=None, due_at__lte=now).count()
    if (subscription := admission.entry_subscription(canvas)) is None or canvas.segment is None:
        return {"over": n_over}
    try:
        with at_most(COUNT_SECONDS):
            n_left, n_joined, _total = live_changes.counts(
                subscription, filters.parse(canvas.segment.filter)
            )
    except TooSlow:
        return {"over": n_over}
    return {"over": n_over, "left": n_left, "joined": n_joined}


def of_stop(flow: Flow, *, banner: Banner | None = None) -> Panel:
    """Return the confirmation of a stop, with the number of people it concerns."""
    cards = [*flow.cards, *flow.removed]
    context = {
        "waiting": sum(card.numbers.waiting for card in cards),
        "pending": flow.pending,
        "banner": banner,
    }
    return Panel("canvases/panels/stop.html", "stop", context)


def of_exits(canvas: Canvas) -> Panel:
    """Return how many visits ended early, by reason."""
    tallies = canvas.exit_tallies.filter(n__gt=0).order_by("-n", "reason")
    exits = [(LeftBy(row.reason).label, f"left_{row.reason}", row.n) for row in tallies]
    return Panel("canvases/panels/left.html", "left", {"exits": exits})


def of_message(banner: Banner) -> Panel:
    """Return an empty panel with a message."""
    return Panel(context={"banner": banner})


def differences(mine: forms.BaseForm, theirs: forms.BaseForm) -> list[Difference]:
    """Return the fields in which a typed form differs from the stored one."""
    pairs = [
        (field, theirs[field.name])
        for field in mine
        if not field.is_hidden and field.name in theirs.fields
    ]
    all_differences = [
        Difference(field.label, _as_text(field), _as_text(other)) for field, other in pairs
    ]
    return [difference for difference in all_differences if difference.mine != difference.theirs]


def _as_text(bound: forms.BoundField) -> str:
    value: Any = bound.value()
    values = [
        str(item)
        for item in (value if isinstance(value, list | tuple) else [value])
        if item not in (None, "")
    ]
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if not hasattr(bound.field, "choices"):
        return ", ".join(values)
    labels = {str(key): str(label) for key, label in bound.field.choices}
    return ", ".join(labels.get(item, item) for item in values)


def of_numbers(card: Card, *, tab: str) -> Panel:
    """Return the numbers of an open step without its form, for a poll."""
    return Panel(key=card.id, context={"card": card}, tab=tab)
