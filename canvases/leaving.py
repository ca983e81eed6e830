"""People who wait for what a step asked before it was changed: they move, are sent as before, or are discarded.

Nothing is chosen for those who edit: without a choice the edit is not made.
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
from canvases.steps import former
from partners.models import Sync
from partners.queue import move


class Choice(models.TextChoices):
    """What becomes of them."""

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
class Line:
    """So many people, and what was asked for them."""

    n: int
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask: who waits for what, and the choices with their words."""

    lines: list[Line]
    choices: list[tuple[str, str]]

    @property
    def n(self) -> int:
        """All of them."""
        return sum(line.n for line in self.lines)


@dataclass(frozen=True, slots=True)
class Done:
    """What was chosen for how many people; nothing where there were none."""

    n: int = 0
    choice: str = ""

    @property
    def sentence(self) -> str:
        """For the message after the act; empty if there was nothing to choose."""
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
    """People wait for what the step asked before, and it was not said what becomes of them."""

    def __init__(self, question: Question) -> None:
        super().__init__("undecided")
        self.question = question


def question(step: Step, *, is_leaving: bool = False) -> Question | None:
    """What to ask about the people of ``step`` who wait for what it asked before (or of one that is to be removed, about
    all who wait); None if there are none."""
    left = former.of(step, is_leaving=is_leaving)
    return Question(_lines(step, left), _choices(step, is_leaving=is_leaving)) if left else None


def decide(step: Step, choice: str, *, by: User) -> Done:
    """Do what was chosen, inside the caller's transaction, under the lock of the canvas. Raises Undecided."""
    asked = question(step)
    if asked is None:
        return Done()
    if choice not in dict(asked.choices):
        raise Undecided(asked)
    left = former.of(step)
    counted = [(one, _act(one, choice, step)) for one in left]
    now_asked = step.sync.audience.name if step.sync and choice == Choice.MOVE else ""
    for one, n in counted:
        _log(
            step.canvas,
            by,
            Choice(choice),
            n,
            " → ".join(filter(None, (one.audience.name, now_asked))),
        )
    return Done(sum(n for _one, n in counted), choice)


def n_pending(canvas: Canvas) -> int:
    """How many wait to be sent from a canvas."""
    return sum(one.tally.pending for one in _waiting(canvas))


def _waiting(canvas: Canvas) -> list[Sync]:
    return list(
        Sync.objects.filter(steps__canvas=canvas, tally__pending__gt=0)
        .select_related("tally")
        .distinct()
    )


def discard_all(canvas: Canvas, *, by: User) -> Done:
    """Discard all who wait to be sent from a canvas, inside the caller's transaction."""
    n = move.discard(_waiting(canvas))
    if n:
        _log(canvas, by, Choice.DISCARD, n, "")
    return Done(n, Choice.DISCARD)


def _act(one: Sync, choice: str, step: Step) -> int:
    if choice == Choice.MOVE and step.sync is not None:
        return move.move([one], to=step.sync)
    if choice == Choice.DISCARD:
        return move.discard([one])
    return one.tally.pending


def _log(canvas: Canvas, by: User, choice: Choice, n: int, where: str) -> None:
    subject = f"{canvas.name}: {n}" + (f" ({where})" if where else "")
    Activity.log(canvas.app_group, by, VERBS[choice], subject)


def _lines(step: Step, left: Sequence[Sync]) -> list[Line]:
    texts = [former.asked(one) for one in left]
    seen = Counter([*texts, *([former.asked(step.sync)] if step.sync else [])])
    named = [
        former.precisely(one) if seen[text] > 1 else text
        for one, text in zip(left, texts, strict=True)
    ]
    return [Line(one.tally.pending, text) for one, text in zip(left, named, strict=True)]


def _choices(step: Step, *, is_leaving: bool) -> list[tuple[str, str]]:
    words = {choice.value: str(choice.label) for choice in Choice}
    if is_leaving or step.removed_at is not None or step.sync is None:
        del words[Choice.MOVE.value]
        return list(words.items())
    words[Choice.MOVE.value] = gettext("Move them: %(asked)s") % {"asked": former.asked(step.sync)}
    return list(words.items())
