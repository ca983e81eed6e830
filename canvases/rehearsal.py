"""The path of one person through a canvas, simulated. Nothing is written or sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from audiencesync.people.models import Profile
from audiencesync.people.segments.explain import Explained, Part
from audiencesync.people.segments.filters import FilterError
from canvases import checklist, engine, tree
from canvases.entry_card import words
from canvases.models import Canvas, Step
from canvases.steps import KINDS, branch_numbers
from canvases.steps.base import Text
from canvases.steps.rehearsal import Rehearsed, RehearsedBranch
from partners.forecast import OnePerson, Sending
from partners.models import Sync


@dataclass(frozen=True, slots=True)
class Entry:
    """The entry of the person, or what prevents it. ``how``: what lets people enter, in words.

    ``why``: which parts of the filter of the entry segment the person meets; None without a
    segment. ``bars``: what keeps the person out although they are in the segment. ``early_exit``:
    what ends a visit early, in words.
    """

    how: str
    why: Part | None
    bars: Sequence[str]
    early_exit: str

    @property
    def is_met(self) -> bool:
        """Return whether the person would enter."""
        return not self.bars and (self.why is None or self.why.is_met)


@dataclass(frozen=True, slots=True)
class Stop:
    """One step on the path of the person. ``inside``: the branches that it stands in.

    ``at``: when the person comes here; ``is_early``: this is the earliest time.
    ``branch_previews``: the number of each branch -> what its steps do, in short.
    """

    step: Step
    n: int
    label: Text
    summary: Text
    icon: str
    inside: str
    at: datetime
    is_early: bool
    result: Rehearsed
    branch_previews: Mapping[int, str]

    @property
    def waits(self) -> bool:
        """Return whether the person waits here."""
        return (self.result.wait_ends_at or self.result.until) > self.at

    @property
    def taken(self) -> RehearsedBranch | None:
        """Return the branch that is taken, at a split."""
        result = self.result
        return next((branch for branch in result.branches if branch.number == result.taken), None)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The whole path. ``stuck_at``: the step whose condition cannot be read.

    ``is_early``: ``ends_at`` is the earliest time.
    """

    entry: Entry
    stops: Sequence[Stop]
    ends_at: datetime
    is_early: bool
    stuck_at: Step | None = None


def of_person(
    canvas: Canvas, profile: Profile, *, at: datetime, chosen: Mapping[int, int], masked: bool
) -> Rehearsal:
    """Return the path of a person who would enter at a time, as far as is known now.

    ``chosen``: step -> the branch chosen on the page, for steps at which later events decide.
    ``masked``: hide personal data, for viewers.
    """
    walk = _Walk(canvas, profile, at=at, chosen=chosen, masked=masked)
    entry = walk.entry()
    stops = list(walk.stops())
    return Rehearsal(entry, stops, walk.at, walk.is_early, walk.stuck_at)


class _Walk:
    """Goes through the flow as the engine does, with one person. A `Person` for the step kinds."""

    def __init__(
        self,
        canvas: Canvas,
        profile: Profile,
        *,
        at: datetime,
        chosen: Mapping[int, int],
        masked: bool,
    ) -> None:
        self.canvas, self.profile, self.chosen, self.at = canvas, profile, chosen, at
        self.steps = tree.in_order(checklist.steps_of(canvas))
        for step in self.steps:
            if step.sync is not None:
                step.sync.app_group = canvas.app_group  # instead of a query for each Sync
        self.position_of = {step.pk: n for n, step in enumerate(self.steps)}
        self.step_at = tree.steps_by_place(self.steps)
        conditions = [*self._conditions(self.steps)]
        if canvas.segment is not None:
            conditions.append(canvas.segment.filter)
        self.explained = Explained(profile, conditions, masked=masked)
        self.explained.read(conditions, now=at)
        self.sending = OnePerson(profile.pk)
        self.position = 0
        self.is_early = False
        self.stuck_at: Step | None = None

    def entry(self) -> Entry:
        """Return whether the person would enter."""
        canvas, now = self.canvas, self.at
        rows = canvas.exit_segments.select_related("segment")
        early = words.exits(canvas, [row.segment.name for row in rows])
        return Entry(words.entry(canvas, now=now), self._segment(), self._bars(), early)

    def _segment(self) -> Part | None:
        segment = self.canvas.segment
        if segment is None:
            return None
        try:
            return self.explained.of(segment.filter, now=self.at)
        except FilterError:
            return Part(False, _("The filter of the segment cannot be read."))

    def _bars(self) -> list[str]:
        sentences = list[str]()
        try:
            bars = engine.entry_barriers(self.canvas, self.profile.pk, now=self.at)
        except FilterError:
            return [_("A segment that ends visits cannot be read.")]
        if bars.is_in_exit_segment:
            sentences.append(_("They are in a segment that ends visits."))
        if bars.is_entry_repeated:
            rule = words.reentry(self.canvas)
            sentences.append(_("They have entered before; the rule is: %(rule)s.") % {"rule": rule})
        if bars.is_full:
            sentences.append(_("The limit of entries is reached."))
        return sentences

    def stops(self) -> Iterator[Stop]:
        """Yield each step on the path, from the first to that where the person leaves."""
        following = tree.all_following(self.steps, branch_numbers)
        step = self.step_at.get((None, 0))
        while step is not None:
            self.position = self.position_of[step.pk]
            try:
                result = KINDS[step.kind].rehearse(step, self, now=self.at)
            except FilterError:
                self.stuck_at = step
                return
            yield self._stop(step, result)
            self.at, self.is_early = result.until, self.is_early or result.is_early
            if result.taken is None:
                return
            step = following[step.pk][result.taken]

    def _stop(self, step: Step, result: Rehearsed) -> Stop:
        kind = KINDS[step.kind]
        return Stop(
            step,
            self.position_of[step.pk] + 1,
            step.name or kind.label,
            kind.summary(step),
            kind.icon_of(step),
            self._inside(step),
            self.at,
            self.is_early,
            result,
            {branch.number: self._preview(step, branch.number) for branch in result.branches},
        )

    def _preview(self, step: Step, branch: int) -> str:
        """Return what a branch leads to, such as: 4 Add to “VIP” › 5 Wait 1 day."""
        first = self.step_at.get((step.pk, branch))
        return " › ".join(
            f"{self.position_of[step_inside.pk] + 1} {KINDS[step_inside.kind].line(step_inside)}"
            for step_inside in tree.path(self.steps, first)
        )

    def _inside(self, step: Step) -> str:
        """Return the branches that a step stands in, such as: Yes › Germany."""
        labels, current = list[str](), step
        while current.parent_id is not None:
            parent = self.steps[self.position_of[current.parent_id]]
            if current.branch:
                branches = KINDS[parent.kind].branches(parent)
                labels.append(
                    next(
                        str(branch.label) for branch in branches if branch.number == current.branch
                    )
                )
            current = parent
        return " › ".join(reversed(labels))

    @staticmethod
    def _conditions(steps: Iterable[Step]) -> Iterator[Mapping[str, Any]]:
        for step in steps:
            for branch in KINDS[step.kind].branches(step):
                if isinstance(branch.condition, Mapping):
                    yield branch.condition

    def explain(self, condition: Mapping[str, Any], *, now: datetime) -> Part:
        """Return which parts of a filter the person meets.

        The data for it are read together with the data for the next steps, to save queries.
        """
        if not self.explained.knows(condition, now=now):
            self.explained.read([condition, *self._conditions(self._until_a_wait(now))], now=now)
        return self.explained.of(condition, now=now)

    def _until_a_wait(self, now: datetime) -> Iterator[Step]:
        """Yield this step, and those after it that the person can come to at the same time."""
        for step in self.steps[self.position :]:
            if KINDS[step.kind].due_on_arrival(step, now=now) > now:
                return
            yield step

    def entering(self, sync: Sync) -> Sending:
        """Return what would be sent if the person entered a Sync."""
        return self.sending.entering(sync)

    def choice(self, step: Step) -> int | None:
        """Return the branch that was chosen on the page for a step."""
        return self.chosen.get(step.pk)
