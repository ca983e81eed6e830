"""The brake: hold removals if too many people would leave a live audience at once.

Held removals are an incident (partners/incidents/held.py) and mailed like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum
from django.utils.translation import gettext_lazy as _

from audiencesync.core.beat import wake
from audiencesync.groups.models import Activity, User
from audiencesync.people.models.live import SegmentMember, Signal, Subscription
from canvases.engine.rows import TASK
from canvases.models import Canvas, Step
from partners.incidents import reconcile
from partners.incidents.held import HoldingCanvas
from partners.models import Batch

WINDOW = timedelta(hours=1)


def held_q() -> Q:
    """Return the condition on signals that a brake holds: LEFT, of people who did not come back."""
    member = SegmentMember.objects.filter(
        subscription=OuterRef("subscription_id"), profile=OuterRef("profile_id")
    )
    return Q(~Exists(member), kind=Signal.Kind.LEFT, subscription__role=Subscription.Role.ENTRY)


def unheld_signals(listener: int) -> QuerySet[Signal]:
    """Return the signals of a listener that its brake does not hold.

    People who came back are found by their other signals. After very many people have left, a look
    at each LEFT signal would take too long. So LEFT signals of people who are members again but
    have no other signal are not returned; these have no effect.
    """
    signals = Signal.objects.filter(listener=listener)
    others = signals.exclude(kind=Signal.Kind.LEFT)
    returned = signals.filter(kind=Signal.Kind.LEFT, profile__in=others.values("profile"))
    return Signal.objects.filter(
        pk__in=others.values("pk").union(returned.exclude(held_q()).values("pk"))
    )


def n_held(canvas: Canvas) -> int:
    """Return how many people would be removed if the brake were lifted."""
    return Signal.objects.filter(held_q(), listener=canvas.pk).count()


def held_step_ids(canvas: Canvas) -> list[int]:
    """Return the ids of the steps whose removals are held while the brake of the canvas is on."""
    return list(canvas.steps.all().removing().values_list("pk", flat=True))


def apply(canvas: Canvas, steps: Sequence[Step], *, now: datetime) -> None:
    """Begin to hold removals if their number within an hour exceeds the limits.

    ``steps``: those that remove people. Do nothing within an hour after a member lifted the brake.
    """
    lifted_at = canvas.brake_lifted_at
    if not steps or canvas.braked_at or (lifted_at and now - WINDOW < lifted_at <= now):
        return
    if not _note_leavers(canvas):
        return
    n_removed = _n_removed(steps, since=now - WINDOW)
    # The stored number may be too high, as some people came back. Count them only if it exceeds
    # the limits.
    if not _is_too_many(canvas, canvas.brake_waiting + n_removed):
        return
    n_leaving = n_held(canvas)
    Canvas.objects.filter(pk=canvas.pk).update(brake_waiting=n_leaving)
    if n_leaving and _is_too_many(canvas, n_leaving + n_removed):
        Canvas.objects.filter(pk=canvas.pk).update(braked_at=now)
        canvas.braked_at = now
        reconcile.after_commit(canvas.app_group_id)


def _note_leavers(canvas: Canvas) -> bool:
    """Note the people who left since the last call; return whether there are any.

    If there are none, the limits are still not exceeded. Each call counts only new signals, which
    may be a few of a million.
    """
    new = Signal.objects.filter(
        listener=canvas.pk,
        pk__gt=canvas.brake_seen,
        kind=Signal.Kind.LEFT,
        subscription__role=Subscription.Role.ENTRY,
    ).aggregate(n=Count("pk"), last=Max("pk"))
    if not new["n"]:
        return False
    canvas.brake_waiting += new["n"]
    canvas.brake_seen = new["last"]
    Canvas.objects.filter(pk=canvas.pk).update(
        brake_waiting=canvas.brake_waiting, brake_seen=canvas.brake_seen
    )
    return True


def _is_too_many(canvas: Canvas, n_leaving: int) -> bool:
    if n_leaving < settings.REMOVAL_BRAKE_PEOPLE:
        return False
    entry = Q(subscription__listener=canvas.pk, subscription__role="entry")
    n_staying = SegmentMember.objects.filter(entry).count()
    return 100 * n_leaving / (n_staying + n_leaving) > settings.REMOVAL_BRAKE_PERCENT


def _step_syncs_of_braked() -> QuerySet[Any]:
    """Return the pairs of step and Sync of live canvases whose brake holds removals."""
    return Step.syncs.through.objects.filter(
        step__canvas__state=Canvas.State.LIVE, step__canvas__braked_at__isnull=False
    )


def held_syncs(app_group: int | None) -> list[HoldingCanvas]:
    """Return the Syncs of each canvas that holds removals, for its incident.

    Former Syncs, which no step uses any more, are included: their people wait as well.
    """
    links = _step_syncs_of_braked().filter(
        Exists(Signal.objects.filter(held_q(), listener=OuterRef("step__canvas"))),
        step__canvas__app_group__archived_at=None,
    )
    if app_group is not None:
        links = links.filter(step__canvas__app_group=app_group)
    syncs_of: dict[tuple[int, int], list[int]] = {}
    rows = links.order_by("-sync__is_live", "sync", "pk")
    for group, canvas, sync in rows.values_list("step__canvas__app_group", "step__canvas", "sync"):
        syncs_of.setdefault((group, canvas), []).append(sync)
    return [HoldingCanvas(group, sync_ids) for (group, _canvas), sync_ids in syncs_of.items()]


def held_people(syncs: Sequence[int]) -> dict[int, int]:
    """Return Sync -> how many people its canvas would remove. Two queries."""
    links = _step_syncs_of_braked().filter(sync__in=syncs)
    canvases = dict(links.values_list("sync", "step__canvas"))
    signals = Signal.objects.filter(held_q(), listener__in=canvases.values()).order_by()
    n_people_of = dict(signals.values_list("listener").annotate(n=Count("pk")))
    return {sync: n_people_of.get(canvas, 0) for sync, canvas in canvases.items()}


def beat() -> None:
    """Run as a task: release the brakes that hold nothing any more, since all have come back.

    If such a brake stayed on, the next person who leaves would be held, too. A brake that holds
    people stays on.
    """
    has_held = Exists(Signal.objects.filter(held_q(), listener=OuterRef("pk")))
    braked = Canvas.objects.filter(state=Canvas.State.LIVE, braked_at__isnull=False)
    braked.filter(~has_held).update(braked_at=None)


def _n_removed(steps: Sequence[Step], *, since: datetime) -> int:
    """Return how many removals of people who left were queued since a time."""
    sync_ids = [sync.pk for step in steps for sync in step.syncs.all()]
    batches = Batch.objects.filter(sync__undoes__in=sync_ids, created_at__gte=since)
    return batches.aggregate(n=Sum("n"))["n"] or 0


def lift(canvas: Canvas, *, by: User, now: datetime) -> bool:
    """Release the brake, so that the held removals go on; return False if it is not on."""
    with transaction.atomic():
        braked = Canvas.objects.filter(pk=canvas.pk).exclude(braked_at=None)
        lifted = braked.update(braked_at=None, brake_lifted_at=now)
        if lifted:
            Activity.log(
                canvas.app_group,
                by,
                Activity.Verb.CHANGED,
                canvas.name,
                kind=Activity.Kind.CANVAS,
                changes=[(_("Removals"), _("held"), _("confirmed"))],
            )
            wake(TASK)
    return bool(lifted)
