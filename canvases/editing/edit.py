"""Edits of a canvas and its steps: create, add, move, remove, save."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.logged_changes import LoggedChange
from audiencesync.groups.models import Activity, AppGroup, User
from audiencesync.people.models import Segment
from canvases import engine, tree
from canvases.editing import duplicate, pending, removal
from canvases.entry_card import log_lines
from canvases.models import Canvas, ExitSegment, Step
from canvases.steps import KINDS, branch_numbers
from canvases.steps.numbered import lost_error, lost_names
from partners import sync
from partners.models import Sync

MAX_STEPS = 200
TOO_MANY = _("A canvas has at most 200 components.")
NAME_LABELS = {  # of a step, for the activity log
    "name": _("Name"),
    "description": _("Description"),
}
RELATED = ("canvas__app_group", "canvas__segment", "sync__audience")


class NotAllowed(Exception):
    """The edit is not possible now; the text tells a marketer why and what to do."""

    def __init__(self, text: str | Promise) -> None:
        super().__init__(str(text))
        self.text = text


class Unanswered(Exception):
    """A removal needs an answer first; the text is the question."""

    def __init__(self, text: str | Promise) -> None:
        super().__init__(str(text))
        self.text = text


class BranchInUse(NotAllowed):
    """The settings would remove a branch that still holds components."""


class Stale(Exception):
    """Another user has saved since the form was opened; nothing was overwritten."""


def create(
    app_group: AppGroup,
    *,
    name: str,
    description: str,
    segment: Segment | None,
    by: User,
    now: datetime,
) -> Canvas:
    """Create a draft."""
    with transaction.atomic():
        canvas = Canvas.objects.create(
            app_group=app_group,
            name=name,
            description=description,
            segment=segment,
            created_by=by,
            created_at=now,
            edited_by=by,
            edited_at=now,
        )
        Activity.log(app_group, by, Activity.Verb.CREATED, name, kind=Activity.Kind.CANVAS)
    return canvas


def save_entry(
    canvas: Canvas,
    changes: dict[str, Any],
    *,
    exit_segments: Iterable[Segment] | None = None,
    version: int,
    by: User,
    now: datetime,
) -> None:
    """Store ``changes`` (column -> value) and the exit segments; None: these stay as they are.

    Raise Stale if ``version`` is no longer current, NotAllowed if a column is fixed by a launch.
    """
    with editing(canvas, by=by, now=now) as locked:
        if locked.version != version:
            raise Stale
        changed = [name for name in changes if changes[name] != getattr(locked, name)]
        if locked.state != Canvas.State.DRAFT and FIXED_AT_LAUNCH.intersection(changed):
            raise NotAllowed(_("The entry cannot change once the canvas was launched."))
        before = log_lines.of_entry(locked)
        Canvas.objects.filter(pk=canvas.pk).update(**changes, version=F("version") + 1)
        if exit_segments is not None:
            _set_exit_segments(locked, exit_segments)
        stored = Canvas.objects.select_related("segment", "app_group").get(pk=canvas.pk)
        lines = log_lines.changes(locked, before, stored)
        _log(canvas, by, Activity.Verb.CHANGED, lines)
        for step in _steps(canvas).select_related("canvas__app_group", "sync"):
            KINDS[step.kind].on_saved(step)
        if stored.state == Canvas.State.LIVE:
            engine.update_subscriptions(stored, now=now)


FIXED_AT_LAUNCH = frozenset({"entry_by", "entry", "segment"})  # once the canvas was launched


def _set_exit_segments(canvas: Canvas, segments: Iterable[Segment]) -> None:
    segment_ids = {segment.pk for segment in segments}
    ExitSegment.objects.filter(canvas=canvas).exclude(segment__in=segment_ids).delete()
    ExitSegment.objects.bulk_create(
        [ExitSegment(canvas=canvas, segment_id=pk) for pk in sorted(segment_ids)],
        ignore_conflicts=True,
    )


def archive(canvas: Canvas, *, by: User, now: datetime) -> None:
    """Archive a canvas that is not live."""
    with editing(canvas, by=by, now=now) as locked:
        if locked.state == Canvas.State.LIVE:
            raise NotAllowed(_("A live canvas cannot be archived. Stop it first."))
        Canvas.objects.filter(pk=canvas.pk).update(state=Canvas.State.ARCHIVED)
        # Without these claims, another canvas can remove people whom this canvas has added.
        sync.set_claims(Sync.objects.filter(steps__canvas=canvas), claims=False)
        _log(
            canvas,
            by,
            Activity.Verb.REMOVED,
            [(_("State"), Canvas.State(locked.state).label, Canvas.State.ARCHIVED.label)],
        )


def unarchive(canvas: Canvas, *, by: User, now: datetime) -> None:
    """Make an archived canvas stopped if it was ever launched, else a draft."""
    with transaction.atomic():
        state = Canvas.State.STOPPED if canvas.launched_at else Canvas.State.DRAFT
        archived = Canvas.objects.filter(pk=canvas.pk, state=Canvas.State.ARCHIVED)
        if archived.update(state=state, edited_by=by, edited_at=now):
            kept = canvas.steps.filter(removed_at=None)
            sync.set_claims(Sync.objects.filter(steps__in=kept), claims=True)
            _log(
                canvas,
                by,
                Activity.Verb.CHANGED,
                [(_("State"), Canvas.State.ARCHIVED.label, state.label)],
            )


def add(
    canvas: Canvas, kind: str, *, after: Step | None, branch: int = 0, by: User, now: datetime
) -> Step:
    """Insert a new step after ``after``, at the beginning of a branch of it, or first."""
    with editing(canvas, by=by, now=now, structure=True):
        if _steps(canvas).count() >= MAX_STEPS:
            raise NotAllowed(TOO_MANY)
        after = _place_now(canvas, after, branch)
        # Create the step as removed; `_link` unsets ``removed_at`` once its place is free.
        step = Step.objects.create(
            canvas=canvas, kind=kind, settings=KINDS[kind].first_settings(), removed_at=now
        )
        _link(step, after=after, branch=branch)
        check_exits(canvas)
        log_added(step, by)
    return step


def _place_now(canvas: Canvas, after: Step | None, branch: int) -> Step | None:
    """Return ``after`` as it is stored now. Raise NotAllowed if it or its branch was removed."""
    if after is None:
        return None
    step = _steps(canvas).filter(pk=after.pk).first()
    if step is None:
        raise NotAllowed(_("The component before was removed meanwhile."))
    if branch not in places_after(step):
        raise NotAllowed(_("This branch was removed meanwhile."))
    return step


def copy(step: Step, *, by: User, now: datetime) -> Step:
    """Insert a copy of a step and its branches after the step; return it. It gets new Syncs."""
    with editing(step.canvas, by=by, now=now, structure=True):
        step = reread_step(step)
        steps = list(_steps(step.canvas))
        originals = [step, *tree.steps_inside(steps, step)]
        if len(steps) + len(originals) > MAX_STEPS:
            raise NotAllowed(TOO_MANY)
        copies = duplicate.copy_steps(originals, step.canvas, unlinked=step, now=now)
        first_copy = copies[step.pk]
        _link(first_copy, after=step)
        check_exits(step.canvas)
        for step_copy in copies.values():
            log_added(step_copy, by)
    return first_copy


def places_after(step: Step) -> set[int]:
    """Return the branches that can take a step; 0 is the place after the step and its branches."""
    return {0, *branch_numbers(step)}


def move(step: Step, *, up: bool, by: User, now: datetime) -> None:
    """Move a step with its branches before or after its neighbour, or out of a branch.

    Do nothing if the step is already the first or the last of the flow.
    """
    with editing(step.canvas, by=by, now=now, structure=True):
        step = reread_step(step)
        if up:
            if step.parent is None:
                return
            # The step takes the place of the step before it.
            target, branch = step.parent.parent, step.parent.branch
        else:
            target, branch = step.children.filter(removed_at=None, branch=0).first(), 0
            if target is None:  # at the end of a branch, it moves behind the split
                target = tree.block_around(list(_steps(step.canvas)), step)
            if target is None:
                return
        _unlink(step, now=now)
        _link(step, after=target, branch=branch)
        check_exits(step.canvas)


def move_to(step: Step, *, after: Step | None, branch: int = 0, by: User, now: datetime) -> None:
    """Move a step with its branches after another one, into a branch of it, or to the front."""
    with editing(step.canvas, by=by, now=now, structure=True):
        step = reread_step(step)
        after = _place_now(step.canvas, after, branch)
        if after is not None and after in (
            step,
            *tree.steps_inside(list(_steps(step.canvas)), step),
        ):
            raise NotAllowed(_("A component cannot move behind itself or into its own branches."))
        if (after, branch) == (step.parent, step.branch):
            return
        _unlink(step, now=now)
        _link(step, after=after, branch=branch)
        check_exits(step.canvas)


def remove(
    step: Step,
    *,
    keep: int | None = None,
    people: str = "",
    choice: str = "",
    by: User,
    now: datetime,
) -> pending.Decision:
    """Remove a step; the steps after it move up. A step that had visits is kept for its numbers.

    ``keep``: the branch of a split whose steps stay, 0 for none. ``people``: where the people go
    who wait at the step, a value of removal.People. ``choice``: what to do with pending people, a
    value of pending.Choice. Raise Unanswered if ``keep`` or ``people`` is needed but missing,
    pending.Undecided if ``choice`` is.
    """
    with editing(step.canvas, by=by, now=now, structure=True):
        step = reread_step(step)
        steps = list(_steps(step.canvas).select_related(*RELATED))
        if keep is None and tree.steps_inside(steps, step):
            raise Unanswered(_("Choose which branch stays."))
        if keep and keep not in places_after(step):
            raise Unanswered(_("This branch was removed meanwhile."))
        plan = removal.plan(steps, step, keep or 0)
        if removal.n_waiting(plan.gone) and people not in removal.People.values:
            raise Unanswered(_("People wait here. Choose where they go."))
        removal.relink(plan, now=now)
        check_exits(step.canvas)
        removal.clear(plan, people, now=now)
        decisions = [_discard(removed, choice, by=by, now=now) for removed in plan.gone]
    return pending.Decision(sum(decision.n for decision in decisions), choice)


def _discard(step: Step, choice: str, *, by: User, now: datetime) -> pending.Decision:
    """Delete a step that is out of the flow; keep it for its numbers if it may have had visits."""
    _log_step(step, by, Activity.Verb.REMOVED)
    step.removed_at = now
    decision = pending.decide(step, choice, by=by)
    step.segment_uses.all().delete()
    syncs = step.syncs.all()
    if step.canvas.entered or any(sync_row.is_used for sync_row in syncs):
        sync.set_claims(Sync.objects.filter(steps=step), claims=False)
        return decision
    unused_syncs = list(syncs)
    step.delete()
    for sync_row in unused_syncs:
        sync_row.delete()
    return decision


def save_settings(
    step: Step,
    settings: dict[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    version: int,
    choice: str = "",
    by: User,
    now: datetime,
) -> pending.Decision:
    """Store the settings of a step, and its name and description where ``names`` has them.

    Raise Stale if ``version`` is no longer current, BranchInUse if components would lose their
    branch, pending.Undecided if people are pending in a former Sync and ``choice`` does not decide
    about them.
    """
    # Preparing commits before the transaction of this edit, so it is skipped for a stale save.
    prepared = engine.preparing_wait(step, settings if step.version == version else {}, now=now)
    with prepared, editing(step.canvas, by=by, now=now):
        stored = reread_step(step)
        before = stored.settings
        renamed = {k: text for k, text in (names or {}).items() if text != getattr(stored, k)}
        if before == settings and not renamed:
            return pending.Decision()
        # Check again under the lock: a component may have been added since the form was checked.
        if KINDS[stored.kind].splits:
            kept = places_after(Step(kind=stored.kind, settings=settings))
            if in_use := lost_names(stored, KINDS[stored.kind].branches(stored), kept):
                raise BranchInUse(lost_error(in_use))
            # People whose branch is gone must not take a new branch that gets its number.
            gone = set(branch_numbers(stored)) - kept
            step.visits.filter(branch__in=gone).update(branch=None)
        changed = _steps(step.canvas).filter(pk=step.pk, version=version)
        if not changed.update(settings=settings, version=F("version") + 1, **renamed):
            raise Stale
        step = reread_step(step)
        lines = [(NAME_LABELS[key], getattr(stored, key), text) for key, text in renamed.items()]
        changes = [*lines, *KINDS[step.kind].changes(before, settings)]
        _log_step(step, by, Activity.Verb.CHANGED, changes)
        if before == settings:
            return pending.Decision()
        KINDS[step.kind].on_saved(step)
        if step.canvas.state == Canvas.State.LIVE:
            engine.update_subscriptions(step.canvas, now=now)
            engine.remove_former_members(step.canvas, now=now)
        return pending.decide(step, choice, by=by)


def decide(step: Step, choice: str, *, by: User, now: datetime) -> pending.Decision:
    """Decide about people who are pending in former Syncs of a step, which may be removed."""
    with editing(step.canvas, by=by, now=now):
        return pending.decide(step, choice, by=by)


def _log(canvas: Canvas, by: User, verb: str, changes: Sequence[LoggedChange]) -> None:
    """Log an edit of a canvas, unless no value has changed."""
    if any(before != after for _what, before, after in changes):
        Activity.log(
            canvas.app_group, by, verb, canvas.name, kind=Activity.Kind.CANVAS, changes=changes
        )


def log_added(step: Step, by: User) -> None:
    """Log that a step was added or restored."""
    _log_step(step, by, Activity.Verb.CREATED)


def _log_step(step: Step, by: User, verb: str, changes: Sequence[LoggedChange] = ()) -> None:
    label, verbs = KINDS[step.kind].label, Activity.Verb
    of_component: dict[str, list[LoggedChange]] = {
        verbs.CREATED: [(_("Component"), None, label)],
        verbs.REMOVED: [(_("Component"), label, None)],
    }
    Activity.log(
        step.canvas.app_group,
        by,
        verb,
        step.canvas.name,
        kind=Activity.Kind.COMPONENT,
        changes=[*of_component.get(verb, []), *changes],
    )


@contextmanager
def editing(
    canvas: Canvas, *, by: User, now: datetime, structure: bool = False
) -> Iterator[Canvas]:
    """Lock the canvas for an edit and note the author.

    ``structure``: the edit changes the flow, which a live canvas forbids. Raise NotAllowed if the
    state of the canvas forbids the edit.
    """
    with transaction.atomic():
        locked = Canvas.objects.select_for_update(of=("self",)).get(pk=canvas.pk)
        if locked.state == Canvas.State.ARCHIVED:
            raise NotAllowed(
                _("An archived canvas cannot be edited. Take it out of the archive first.")
            )
        if structure and locked.state == Canvas.State.LIVE:
            raise NotAllowed(
                _(
                    "Components cannot be added, moved or removed while the canvas is live. "
                    "Stop it first."
                )
            )
        yield locked
        Canvas.objects.filter(pk=canvas.pk).update(edited_by=by, edited_at=now)


def _steps(canvas: Canvas) -> QuerySet[Step]:
    return Step.objects.filter(canvas=canvas, removed_at=None)


def reread_step(step: Step) -> Step:
    """Read ``step`` again. Raise NotAllowed if it was removed meanwhile."""
    stored = (
        _steps(step.canvas).select_related("parent__parent", *RELATED).filter(pk=step.pk).first()
    )
    if stored is None:
        raise NotAllowed(_("This component was removed meanwhile."))
    return stored


def check_exits(canvas: Canvas) -> None:
    """Raise NotAllowed if a step comes after a step at which all people leave."""
    steps = list(_steps(canvas))
    followed = {step.parent_id for step in steps}
    for step in steps:
        if step.pk in followed and not KINDS[step.kind].branches(step):
            raise NotAllowed(
                _("Nothing can come after an exit. Add it at the end of a branch, or remove it.")
            )


def _link(step: Step, *, after: Step | None, branch: int = 0) -> None:
    """Put an unlinked step after ``after``; what stood there comes after the step.

    A constraint allows only one step that is not removed at a place, so ``removed_at`` of the new
    step is unset last.
    """
    displaced = _steps(step.canvas).filter(parent=after, branch=branch)
    Step.objects.filter(pk=step.pk).update(parent=after, branch=branch)
    displaced.update(parent=step, branch=0)
    Step.objects.filter(pk=step.pk).update(removed_at=None)


def _unlink(step: Step, *, now: datetime) -> None:
    """Take a step and its branches out of the flow; the step after it takes its place."""
    parent, branch = step.parent, step.branch
    Step.objects.filter(pk=step.pk).update(removed_at=now, parent=None, branch=0)
    _steps(step.canvas).filter(parent=step, branch=0).update(parent=parent, branch=branch)
