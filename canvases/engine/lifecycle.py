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
from canvases.engine.admission import entry_subscription, highest_profile
from canvases.engine.rows import TASK
from canvases.models import Canvas, Step, Visit
from canvases.steps import KINDS
from canvases.steps.wait_until import WaitUntil, events_of

SubscriptionKey = tuple[str, str, str, Segment | None]  # role, kind, name, segment


def launch(canvas: Canvas, *, by: User, now: datetime, edited_at: datetime | None = None) -> bool:
    """Set a draft or stopped canvas live and wake the engine; return False if it is neither.

    ``edited_at``: the last edit of what is to be launched; return False if it was edited since.

    The caller has checked what blocks a launch. People re-enter only within the rules of re-entry.
    A caller that opens a transaction around this calls `prepare_waits` before it.
    """
    startable = Canvas.objects.filter(state__in=[Canvas.State.DRAFT, Canvas.State.STOPPED])
    ready = startable.filter(pk=canvas.pk, app_group__archived_at=None)
    if edited_at is not None:
        ready = ready.filter(edited_at=edited_at)
    if ready.exists():
        prepare_waits(canvas, now=now)
    with transaction.atomic():
        # Lock the group before its canvases, in the order of `group_deletion.archive`, which stops
        # the canvases that are live.
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
    """Store the members of the segments that people wait to join: they do not count as joining.

    This runs in many transactions. Members that are stored already are not stored again.
    """
    _note_members(canvas, [segment for *_what, segment in waits.waited_for(canvas)], now=now)


@contextmanager
def preparing_wait(step: Step, settings: dict[str, Any], *, now: datetime) -> Iterator[None]:
    """Subscribe to the segments that new settings of a step wait for, before these are stored.

    This concerns live canvases. The subscriptions are paused until `update_subscriptions` activates
    them. If the settings are refused (an exception inside the block), they are deleted.
    """
    canvas, segments = step.canvas, list[Segment]()
    if step.kind == WaitUntil.key and canvas.state == Canvas.State.LIVE:
        segments = list(waits.segments(canvas, events_of(Step(settings=settings))))
    waits_of_canvas = Subscription.objects.filter(listener=canvas.pk, role="wait")
    subscriptions = waits_of_canvas.filter(segment__in=segments)
    earlier_ids = set(subscriptions.values_list("pk", flat=True)) if segments else set()
    try:
        _note_members(canvas, segments, now=now)
        yield
    except Exception:
        if segments:
            _drop_prepared(canvas, subscriptions.exclude(pk__in=earlier_ids))
        raise


def _drop_prepared(canvas: Canvas, prepared: QuerySet[Subscription]) -> None:
    """Delete prepared subscriptions, unless another save has stored settings that need them."""
    with transaction.atomic():
        Canvas.objects.select_for_update(of=("self",)).get(pk=canvas.pk)
        segments = [segment for *_what, segment in waits.waited_for(canvas)]
        still_named = [segment for segment in segments if segment is not None]
        prepared.filter(is_paused=True).exclude(segment__in=still_named).delete()


def _note_members(canvas: Canvas, segments: Iterable[Segment | None], *, now: datetime) -> None:
    for segment in segments:
        if segment is not None:
            live_segments.prepare(
                canvas.app_group, listener=canvas.pk, role="wait", segment=segment, now=now
            )


def _open_entry(canvas: Canvas, *, now: datetime) -> None:
    """Start what lets people enter: the walk over the profiles, or the schedule.

    A canvas that was kept up to date with its segment before needs no walk: the next sweep of the
    live segment finds who joined and left while it was stopped.
    """
    entry_by = canvas.entry_by
    row = Canvas.objects.filter(pk=canvas.pk)
    if entry_by == Canvas.EntryBy.SCHEDULE:
        # A run that a stop interrupted does not go on now, but at the next time of the schedule.
        row.update(next_run_at=schedules.next_run(canvas, now=now), entry_until=None)
    is_new = not Subscription.objects.filter(listener=canvas.pk, role="entry").exists()
    if entry_by == Canvas.EntryBy.LAUNCH or entry_by == Canvas.EntryBy.SEGMENT and is_new:
        row.update(entry_cursor=0, entry_until=highest_profile(canvas.app_group_id))
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
    """Subscribe a live canvas to what its entry, exits and waits name now, and to nothing else."""
    wanted_keys = set(_subscription_keys(canvas))
    rows = Subscription.objects.filter(listener=canvas.pk).select_related("segment")
    key_of = {row: (row.role, row.kind, row.name, row.segment) for row in rows}
    for row, key in key_of.items():
        if key not in wanted_keys:
            row.delete()
    is_kept_up_to_date = canvas.entry_by == Canvas.EntryBy.SEGMENT
    for role, kind, name, segment in sorted(wanted_keys, key=str):
        is_entry = (role, kind) == ("entry", "segment")
        subscription = live_segments.subscribe(
            canvas.app_group,
            listener=canvas.pk,
            role=role,
            kind=kind,
            name=name,
            segment=segment,
            kinds=_mirrored_kinds(canvas) if is_entry and is_kept_up_to_date else (),
            is_leave_only=is_entry and not is_kept_up_to_date,
            now=now,
        )
        if role == "wait" and segment is not None and subscription not in key_of:
            # People who are in the segment already do not count as joining it.
            live_segments.fill(subscription, low=0, high=live_segments.HIGHEST_ID, now=now)
        elif role == "wait" and segment is not None:
            live_segments.begin(subscription, now=now)
        if subscription.is_leave_only and subscription not in key_of:
            live_segments.adopt(subscription, _people_inside(canvas), now=now)


def _people_inside(canvas: Canvas) -> QuerySet[Profile]:
    """Return the people in the canvas, or in an audience from which it removes them on leaving."""
    to_take_out = exits.standing_adds(exits.removing_steps(canvas)).filter(profile=OuterRef("pk"))
    inside = Visit.objects.filter(canvas=canvas, left_at=None, profile=OuterRef("pk"))
    people = Profile.objects.filter(app_group=canvas.app_group_id)
    return people.filter(Exists(inside) | Exists(to_take_out))


def remove_former_members(canvas: Canvas, *, now: datetime) -> None:
    """Write a LEFT signal for people who left before a step began to remove such people."""
    subscription = entry_subscription(canvas)
    if subscription is None:
        return
    # While the walk over the profiles goes on, members that it has not read look as if they left.
    if canvas.entry_until is not None and not subscription.is_leave_only:
        return
    # Each writer of signals of a subscription takes this lock, so the ids of the signals are in the
    # order of the commits.
    live_segments.lock(subscription)
    member = SegmentMember.objects.filter(subscription=subscription, profile=OuterRef("profile"))
    adds_outside = exits.standing_adds(exits.removing_steps(canvas)).filter(~Exists(member))
    queued = Signal.objects.filter(subscription=subscription, profile=OuterRef("profile"))
    people = adds_outside.filter(~Exists(queued)).order_by("profile")
    Signal.objects.bulk_create(
        (
            Signal(
                listener=canvas.pk,
                subscription=subscription,
                profile_id=profile,
                kind=Signal.Kind.LEFT,
                at=now,
            )
            for profile in people.values_list("profile", flat=True).distinct()
        ),
        batch_size=5_000,
    )


def _subscription_keys(canvas: Canvas) -> Iterator[SubscriptionKey]:
    if canvas.segment is not None and _watches_entry_segment(canvas):
        yield "entry", "segment", "", canvas.segment
    if canvas.entry_by == Canvas.EntryBy.EVENT:
        yield "entry", canvas.entry["kind"], canvas.entry["name"], None
    for event in canvas.exits.get("events", []):
        yield "exit", event["kind"], event["name"], None
    for row in canvas.exit_segments.select_related("segment"):
        yield "exit", "segment", "", row.segment
    for kind, name, segment in waits.waited_for(canvas):
        yield "wait", kind, name, segment


def _watches_entry_segment(canvas: Canvas) -> bool:
    """Return whether the canvas does something when a person leaves the entry segment."""
    is_kept_up_to_date = canvas.entry_by == Canvas.EntryBy.SEGMENT
    return is_kept_up_to_date or bool(canvas.exits.get("left") or exits.removing_steps(canvas))


def _mirrored_kinds(canvas: Canvas) -> tuple[str, ...]:
    """Return the kinds of identifiers that steps of the canvas keep up to date in audiences."""
    steps = exits.removing_steps(canvas)
    return tuple(sorted({kind for step in steps if step.sync for kind in step.sync.kinds}))
