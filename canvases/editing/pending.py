"""People who are pending in a former Sync of a step: move, send as before, or discard them.

A Sync is what a step sends: audience, add or remove, identifiers. An edit of these gives the step
a new Sync; people who already passed keep the former one. There is no default: an edit that leaves
people pending needs a choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import models
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import Activity, User
from canvases.models import Canvas, Step
from canvases.steps import former_syncs
from partners.models import Sync
from partners.queue import move


class Choice(models.TextChoices):
    """What to do with the pending people. TRAVEL: leave them in their former Sync."""

    MOVE = "move", _("Move them to what the component asks now")
    TRAVEL = (
        "travel",
        _("Send them as before: they are sent as the component asked before the change"),
    )
    DISCARD = "discard", _("Discard them: they are not sent, and count as cancelled")


VERBS = {
    Choice.MOVE: Activity.Verb.MOVED,
    Choice.TRAVEL: Activity.Verb.LET_TRAVEL,
    Choice.DISCARD: Activity.Verb.DISCARDED,
}


@dataclass(frozen=True, slots=True)
class PendingLine:
    """How many people are pending in a Sync, and what it does."""

    n: int
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """The question to a marketer: who is pending in which Sync, and the choices."""

    lines: list[PendingLine]
    choices: list[tuple[str, str]]

    @property
    def n(self) -> int:
        """Return the number of all pending people."""
        return sum(line.n for line in self.lines)


@dataclass(frozen=True, slots=True)
class Decision:
    """The choice that was made and for how many people; empty if none were pending."""

    n: int = 0
    choice: str = ""

    @property
    def sentence(self) -> str:
        """Return the sentence for the success message; empty if no people were pending."""
        texts = {
            Choice.MOVE: ngettext("%(n)s person is moved.", "%(n)s people are moved.", self.n),
            Choice.TRAVEL: ngettext(
                "%(n)s person is still sent as before.",
                "%(n)s people are still sent as before.",
                self.n,
            ),
            Choice.DISCARD: ngettext(
                "%(n)s person is discarded.", "%(n)s people are discarded.", self.n
            ),
        }
        return texts[Choice(self.choice)] % {"n": number_format(self.n)} if self.n else ""


class Undecided(Exception):
    """People are pending in a former Sync, and no valid choice was made."""

    def __init__(self, question: Question) -> None:
        super().__init__("undecided")
        self.question = question


def question(step: Step, *, is_removal: bool = False) -> Question | None:
    """Return the question about people pending in former Syncs; None if there are none.

    ``is_removal``: the step is about to be removed, so its current Sync counts as former.
    """
    syncs = former_syncs.of(step, is_removal=is_removal)
    return Question(_lines(step, syncs), _choices(step, is_removal=is_removal)) if syncs else None


def removal_question(steps: Sequence[Step]) -> Question | None:
    """Return the question about people pending at steps that are removed; None if none are."""
    questions = [about_step for step in steps if (about_step := question(step, is_removal=True))]
    lines = [line for about_step in questions for line in about_step.lines]
    return Question(lines, questions[0].choices) if questions else None


def decide(step: Step, choice: str, *, by: User) -> Decision:
    """Carry out a choice, in the caller's transaction under the lock of the canvas.

    For a removal, set ``removed_at`` of the step before, so that its last Sync counts as former.
    Raise Undecided if people are pending and the choice is none of those offered.
    """
    open_question = question(step)
    if open_question is None:
        return Decision()
    if choice not in dict(open_question.choices):
        raise Undecided(open_question)
    counts = [(former, _carry_out(former, choice, step)) for former in former_syncs.of(step)]
    target = step.sync.audience.name if step.sync and choice == Choice.MOVE else ""
    for former, n in counts:
        if not n:  # an earlier edit has marked them; the queue is still to move or cancel them
            continue
        audiences = " → ".join(filter(None, (former.audience.name, target)))
        _log(step.canvas, by, Choice(choice), n, audiences)
    return Decision(sum(n for _one, n in counts), choice)


def n_pending(canvas: Canvas) -> int:
    """Return how many people of a canvas are pending."""
    return sum(sync.tally.pending for sync in _pending_syncs(canvas))


def _pending_syncs(canvas: Canvas) -> list[Sync]:
    """Return the present and former Syncs of all steps that have pending people."""
    return list(
        Sync.objects.filter(steps__canvas=canvas, tally__pending__gt=0)
        .select_related("tally")
        .distinct()
    )


def discard_all(canvas: Canvas, *, by: User) -> Decision:
    """Discard all pending people of a canvas, in the caller's transaction."""
    n = move.discard(_pending_syncs(canvas))
    if n:
        _log(canvas, by, Choice.DISCARD, n, "")
    return Decision(n, Choice.DISCARD)


def _carry_out(sync: Sync, choice: str, step: Step) -> int:
    if choice == Choice.MOVE and step.sync is not None:
        return move.move([sync], to=step.sync)
    if choice == Choice.DISCARD:
        return move.discard([sync])
    return sync.tally.pending


def _log(canvas: Canvas, by: User, choice: Choice, n: int, audiences: str) -> None:
    subject = f"{canvas.name}: {n}" + (f" ({audiences})" if audiences else "")
    Activity.log(canvas.app_group, by, VERBS[choice], subject, kind=Activity.Kind.CANVAS)


def _lines(step: Step, syncs: Sequence[Sync]) -> list[PendingLine]:
    labels = [former_syncs.label(sync) for sync in syncs]
    n_of_label = Counter([*labels, *([former_syncs.label(step.sync)] if step.sync else [])])
    distinct_labels = [
        former_syncs.long_label(sync) if n_of_label[text] > 1 else text
        for sync, text in zip(syncs, labels, strict=True)
    ]
    return [
        PendingLine(sync.tally.pending, text)
        for sync, text in zip(syncs, distinct_labels, strict=True)
    ]


def _choices(step: Step, *, is_removal: bool) -> list[tuple[str, str]]:
    labels = {choice.value: str(choice.label) for choice in Choice}
    if is_removal or step.removed_at is not None or step.sync is None:
        del labels[Choice.MOVE.value]
        return list(labels.items())
    labels[Choice.MOVE.value] = gettext("Move them: %(asked)s") % {
        "asked": former_syncs.label(step.sync)
    }
    return list(labels.items())
