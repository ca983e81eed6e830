"""Launch and stop canvases, and subscribe them to what lets people enter and leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from audiencesync.core.beat import wake
from audiencesync.groups.models import Activity, AppGroup, User
from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.live import SegmentMember, Signal, Subscription
from audiencesync.people.segments import live as live_segments
from canvases.engine import exits, schedules, waits
from canvases.engine.admission import highest_profile, subscription
from canvases.engine.rows import TASK
from canvases.models import Canvas, Step, Visit
from canvases.steps import KINDS
from canvases.steps.wait_until import WaitUntil, events_of

Wanted = tuple[str, str, str, Segment | None]  # role, kind, name, segment


def launch(canvas: Canvas, *, by: User, now: datetime, edited_at: datetime | None = None) -> bool:
    """Set a draft or stopped canvas live and wake the engine; return False if it is neither.

    ``edited_at``: of what is to be launched; False if it was edited since.

    The caller has checked the blockers. People enter again only within the rules of re-entry.
    A caller with a transaction calls `prepare_waits` before it.
    """
    startable = Canvas.objects.filter(state__in=[Canvas.State.DRAFT, Canvas.State.STOPPED])
    ready = startable.filter(pk=canvas.pk, app_group__archived_at=None)
    if edited_at is not None:
        ready = ready.filter(edited_at=edited_at)
    if ready.exists():
        prepare_waits(canvas, now=now)
    with transaction.atomic():
        # Groups before canvases, as an archiving does: it stops the canvases that are live by then.
        list(AppGroup.objects.select_for_update(no_key=True).filter(pk=canvas.app_group_id))
        launched = ready.update(
            state=Canvas.State.LIVE,
            launched_at=now,
            stopped_at=None,
            braked_at=None,
            brake_seen=0,
            brake_waiting=0,
        )
        if launched:
            canvas.refresh_from_db()
            _open_entry(canvas, now=now)
            update_subscriptions(canvas, now=now)
            live_segments.resume(canvas.pk, now)
            for kind in KINDS.values():
                kind.on_launched(canvas)
            Activity.log(
                canvas.app_group, by, Activity.Verb.LAUNCHED, canvas.name, kind=Activity.Kind.CANVAS
            )
            wake(TASK)
    return bool(launched)


def prepare_waits(canvas: Canvas, *, now: datetime) -> None:
    """Store who is in the segments that people wait to join: they do not join them any more.

    In many transactions. What is noted already is not noted again.
    """
    _note_members(canvas, [segment for *_what, segment in waits.wanted(canvas)], now=now)


@contextmanager
def prepared_wait(step: Step, settings: dict[str, Any], *, now: datetime) -> Iterator[None]:
    """Do the same before the settings of a step of a live canvas are stored.

    `update_subscriptions` lets them collect. If the settings are refused, nothing is left of it.
    """
    canvas, segments = step.canvas, list[Segment]()
    if step.kind == WaitUntil.key and canvas.state == Canvas.State.LIVE:
        segments = list(waits.segments(canvas, events_of(Step(settings=settings))))
    mine = Subscription.objects.filter(listener=canvas.pk, role="wait", segment__in=segments)
    known = set(mine.values_list("pk", flat=True)) if segments else set()
    try:
        _note_members(canvas, segments, now=now)
        yield
    except Exception:
        if segments:
            _forget(canvas, mine.exclude(pk__in=known))
        raise


def _forget(canvas: Canvas, prepared: QuerySet[Subscription]) -> None:
    """Delete what was prepared, unless another save has stored settings that need it."""
    with transaction.atomic():
        Canvas.objects.select_for_update(of=("self",)).get(pk=canvas.pk)
        wanted = [segment for *_what, segment in waits.wanted(canvas) if segment is not None]
        prepared.filter(is_paused=True).exclude(segment__in=wanted).delete()


def _note_members(canvas: Canvas, segments: Iterable[Segment | None], *, now: datetime) -> None:
    for segment in segments:
        if segment is not None:
            live_segments.prepare(
                canvas.app_group, listener=canvas.pk, role="wait", segment=segment, now=now
            )


def _open_entry(canvas: Canvas, *, now: datetime) -> None:
    """Start what lets people enter: the walk over the profiles, or the schedule.

    A live segment that was followed before goes on by its difference.
    """
    by = canvas.entry_by
    mine = Canvas.objects.filter(pk=canvas.pk)
    if by == Canvas.EntryBy.SCHEDULE:
        # A run that a stop interrupted does not go on outside of its times.
        mine.update(next_run_at=schedules.next_run(canvas, now=now), entry_until=None)
    was_followed = Subscription.objects.filter(listener=canvas.pk, role="entry").exists()
    if by == Canvas.EntryBy.LAUNCH or by == Canvas.EntryBy.SEGMENT and not was_followed:
        mine.update(entry_cursor=0, entry_until=highest_profile(canvas.app_group_id))
    canvas.refresh_from_db()


def stop(canvas: Canvas, *, by: User, now: datetime) -> bool:
    """Stop a live canvas; return False if it is not live. Pending adds pause, removals go on."""
    with transaction.atomic():
        stopped = Canvas.objects.filter(pk=canvas.pk, state=Canvas.State.LIVE).update(
            state=Canvas.State.STOPPED, stopped_at=now, next_run_at=None
        )
        if stopped:
            canvas.refresh_from_db()
            live_segments.pause(canvas.pk)
            for kind in KINDS.values():
                kind.on_stopped(canvas)
            Activity.log(
                canvas.app_group, by, Activity.Verb.STOPPED, canvas.name, kind=Activity.Kind.CANVAS
            )
    return bool(stopped)


def update_subscriptions(canvas: Canvas, *, now: datetime) -> None:
    """Subscribe a live canvas to what its entry and its exits name now, and to nothing else."""
    wanted = set(_wanted(canvas))
    rows = Subscription.objects.filter(listener=canvas.pk).select_related("segment")
    known = {row: (row.role, row.kind, row.name, row.segment) for row in rows}
    for row, what in known.items():
        if what not in wanted:
            row.delete()
    is_live = canvas.entry_by == Canvas.EntryBy.SEGMENT
    for role, kind, name, segment in sorted(wanted, key=str):
        is_entry = (role, kind) == ("entry", "segment")
        made = live_segments.subscribe(
            canvas.app_group,
            listener=canvas.pk,
            role=role,
            kind=kind,
            name=name,
            segment=segment,
            kinds=_mirrored(canvas) if is_entry and is_live else (),
            is_leave_only=is_entry and not is_live,
            now=now,
        )
        if role == "wait" and segment is not None and made not in known:
            # Who is in the segment already does not join it.
            live_segments.fill(made, low=0, high=live_segments.HIGHEST, now=now)
        elif role == "wait" and segment is not None:
            live_segments.begin(made, now=now)
        if made.is_leave_only and made not in known:
            live_segments.adopt(made, _present(canvas), now=now)


def _present(canvas: Canvas) -> QuerySet[Profile]:
    """Return the people who are in the canvas, or in an audience that it removes them from."""
    added = exits.added(exits.removing_steps(canvas)).filter(profile=OuterRef("pk"))
    inside = Visit.objects.filter(canvas=canvas, left_at=None, profile=OuterRef("pk"))
    people = Profile.objects.filter(app_group=canvas.app_group_id)
    return people.filter(Exists(inside) | Exists(added))


def remove_former_members(canvas: Canvas, *, now: datetime) -> None:
    """Signal the people who left before a step began to remove them again."""
    entry = subscription(canvas)
    if entry is None or canvas.entry_until is not None and not entry.is_leave_only:
        return
    live_segments.lock(entry)  # as every writer of its signals: their ids rise with the commits
    member = SegmentMember.objects.filter(subscription=entry, profile=OuterRef("profile"))
    left = exits.added(exits.removing_steps(canvas)).filter(~Exists(member))
    waiting = Signal.objects.filter(subscription=entry, profile=OuterRef("profile"))
    people = left.filter(~Exists(waiting)).order_by("profile")
    Signal.objects.bulk_create(
        (
            Signal(
                listener=canvas.pk,
                subscription=entry,
                profile_id=profile,
                kind=Signal.Kind.LEFT,
                at=now,
            )
            for profile in people.values_list("profile", flat=True).distinct()
        ),
        batch_size=5_000,
    )


def _wanted(canvas: Canvas) -> Iterator[Wanted]:
    if canvas.segment is not None and _watches(canvas):
        yield "entry", "segment", "", canvas.segment
    if canvas.entry_by == Canvas.EntryBy.EVENT:
        yield "entry", canvas.entry["kind"], canvas.entry["name"], None
    for event in canvas.exits.get("events", []):
        yield "exit", event["kind"], event["name"], None
    for row in canvas.exit_segments.select_related("segment"):
        yield "exit", "segment", "", row.segment
    for kind, name, segment in waits.wanted(canvas):
        yield "wait", kind, name, segment


def _watches(canvas: Canvas) -> bool:
    """Return whether it matters who leaves the entry segment."""
    is_live = canvas.entry_by == Canvas.EntryBy.SEGMENT
    return is_live or bool(canvas.exits.get("left") or exits.removing_steps(canvas))


def _mirrored(canvas: Canvas) -> tuple[str, ...]:
    """Return the kinds of identifiers that steps of the canvas keep up to date in audiences."""
    steps = exits.removing_steps(canvas)
    return tuple(sorted({kind for step in steps if step.sync for kind in step.sync.kinds}))
