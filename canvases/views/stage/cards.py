"""The cards of a flow: its steps as the canvas page shows them, nested by branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext_lazy as _

from canvases import analytics, tree
from canvases.analytics import Numbers, Removed, Share
from canvases.editing import pending
from canvases.editing.conflicts import Conflict
from canvases.models import BranchTally, Step
from canvases.steps import KINDS, branch_numbers
from canvases.steps.base import StepKind, StepProblem, Text
from partners import registry, sync
from partners.base import Partner

WAITING: Text = _("Waiting here")


@dataclass(slots=True)
class FlowBranch:
    """A branch of a split as the flow shows it. ``ends``: it does not meet the others again.

    ``place`` and ``start``: places to add a component at, such as "12" or "12-1" (editor._place).
    """

    number: int
    label: Text
    n: int
    ends: bool
    path: list[Card]
    split: Card
    merge: str = ""  # classes that draw its part of the line where the branches meet

    @property
    def list_name(self) -> str:
        """Return the name of the list of its people (people_lists/step_visits.py)."""
        return f"branch_{self.number}"

    @property
    def cards(self) -> list[Card]:
        """Return its cards with those of the branches in it, in the order of reading."""
        return [
            shown_card
            for card in self.path
            for shown_card in (
                card,
                *(inner_card for branch in card.branches for inner_card in branch.cards),
            )
        ]

    @property
    def n_in_trouble(self) -> int:
        """Return how many of its cards are in trouble."""
        return sum(card.tone == "trouble" for card in self.cards)

    @property
    def n_incomplete(self) -> int:
        """Return how many of its cards lack settings."""
        return sum(card.is_incomplete for card in self.cards)

    @property
    def place(self) -> str:
        """Return the place after its last component."""
        return self.path[-1].id if self.path else self.start

    @property
    def start(self) -> str:
        """Return the place before its first component."""
        return f"{self.split.id}-{self.number}"


@dataclass(slots=True)
class Card:
    """A step as the flow shows it."""

    step: Step
    kind: StepKind
    summary: Text
    problems: list[StepProblem]
    numbers: Numbers
    shares: list[Share] = field(default_factory=list)  # for a step with several audiences
    removed: Removed | None = None  # for a step that has removed people who left
    conflicts: list[Conflict] = field(default_factory=list)
    is_holding: bool = False  # whether its removals wait for a confirmation (engine/brake.py)
    branches: list[FlowBranch] = field(default_factory=list)  # of a split
    number: int = 0  # in the order of reading, from 1
    n_merged: int | None = None  # people who went on where its branches meet; None: not known
    is_folded: bool = False  # whether its branches are folded; set by `answer`
    fold_query: str = ""  # folds or unfolds its branches; set by `answer`
    wipe: str = ""  # the class that hides the end of the merge line (flow_layout.py)
    branch_label: Text = ""  # of the innermost branch around the card
    is_first: bool = False
    is_last: bool = False
    is_checked: bool = False  # its form was sent, or a launch was asked for; set by `answer`

    @property
    def id(self) -> str:
        """Return the id of the step as text: templates put a thousands separator into numbers."""
        return str(self.step.pk)

    @property
    def title(self) -> Text:
        """Return the name of the step, or its kind."""
        return self.kind.title(self.step)

    @property
    def line(self) -> Text:
        """Return the name of the step, or what it does."""
        return self.step.name or self.summary

    @property
    def place(self) -> str:
        """Return the place where it stands, as the form that adds a component names it."""
        if self.step.parent_id is None:
            return "first"
        return f"{self.step.parent_id}" + (f"-{self.step.branch}" if self.step.branch else "")

    @property
    def may_fold(self) -> bool:
        """Return whether there are components in its branches."""
        return any(branch.path for branch in self.branches)

    @property
    def has_merge(self) -> bool:
        """Return whether the flow goes on after its branches."""
        return any(not branch.ends for branch in self.branches)

    @property
    def first_share(self) -> tuple[int, Text] | None:
        """Return (percentage of the people of a split who took its first branch, its label)."""
        total = sum(branch.n for branch in self.branches)
        if not total:
            return None
        first = self.branches[0]
        return round(100 * first.n / total), first.label

    @property
    def is_incomplete(self) -> bool:
        """Return whether settings are missing, in a new or in a saved step."""
        return self.tone in ("new", "incomplete")

    @property
    def bar(self) -> list[tuple[str, str, str]]:
        """Return (class, x, width) for each part of the people who entered, in per cent."""
        counts = self.numbers
        parts = [
            ("bar-good", counts.synced),
            ("bar-pending", counts.pending),
            ("bar-bad", counts.errored),
            ("bar-rest", counts.not_synced + counts.cancelled),
        ]
        total, x, drawn = sum(n for _name, n in parts), 0, []
        for name, n in parts:
            if n:
                drawn.append((name, f"{100 * x / total:.2f}%", f"{100 * n / total:.2f}%"))
            x += n
        return drawn

    @property
    def ends_path(self) -> bool:
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
        if self.tone:
            return "step is-new"
        return "step is-end" if self.ends_path else "step"

    @property
    def n_errored(self) -> int:
        """Return how many people are errored, on their way into the audience or out of it."""
        return self.numbers.errored + (self.removed.errored if self.removed else 0)

    @property
    def has_reasons(self) -> bool:
        """Return whether people are not synced, or not removed although they left."""
        counts = self.numbers
        unsynced = (counts.not_synced, counts.errored, counts.pending, counts.cancelled)
        return any(unsynced) or bool(self.removed and self.removed.stay)

    @property
    def wanted_by(self) -> list[sync.Want]:
        """Return the other steps that keep people in the audience although they left."""
        if self.removed is None or not self.removed.wanted:
            return []
        return sync.wanted_elsewhere(self.step.syncs.values_list("pk", flat=True))

    @property
    def question(self) -> pending.Question | None:
        """Return the question about people pending in former Syncs; None if there are none."""
        return pending.question(self.step)

    @property
    def metrics(self) -> list[tuple[str, Any, int | None]]:
        """Return the seven metrics, without those of sending if the step does not send."""
        return self.numbers.metrics(sends=self.sends)

    @property
    def has_plain_row(self) -> bool:
        """Return whether the heading above its row of numbers shows only the name of the step."""
        return bool(self.number) and not self.shares and self.removed is None

    @property
    def columns(self) -> list[tuple[str, Any, int | None]]:
        """Return the seven metrics and the waiting people; None where a step has no such number."""
        n_by_name = {name: n for name, _label, n in self.metrics}
        row = [(name, label, n_by_name.get(name)) for name, label in analytics.METRICS.items()]
        return [*row, ("waiting", WAITING, self.numbers.waiting)]

    @property
    def sends(self) -> bool:
        """Return whether people are synced to a partner here."""
        return self.kind.sends


def nest_in_splits(cards: Sequence[Card]) -> list[Card]:
    """Nest the cards of branches in those of their splits; return the others."""
    by_id = {card.step.pk: card for card in cards}
    steps = [card.step for card in cards]
    n_took = {
        (row.step_id, row.branch): row.n
        for row in BranchTally.objects.filter(step__in=[s for s in steps if KINDS[s.kind].splits])
    }

    def nest(path: tree.Path) -> list[Card]:
        path_cards = []
        for node in path.nodes:
            card = by_id[node.step.pk]
            labels = {branch.number: branch.label for branch in card.kind.branches(card.step)}
            card.branches = [
                FlowBranch(
                    branch.number,
                    labels[branch.number],
                    n_took.get((card.step.pk, branch.number), 0),
                    branch.ends,
                    nest(branch),
                    card,
                )
                for branch in node.branches
            ]
            for branch in card.branches:
                for inner_card in branch.path:
                    inner_card.branch_label = branch.label
            card.is_first = card.step.parent_id is None
            path_cards.append(card)
        for card, after in pairwise(path_cards):
            card.n_merged = after.numbers.entered
        return path_cards

    path = nest(tree.outline(steps, branch_numbers))
    if path:
        path[-1].is_last = True
    return path
