"""The brake: hold removals if too many people would leave a live audience at once.

Held removals are an incident (partners/incidents/held.py): it is mailed as every other.
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
from partners.incidents.held import HeldAt
from partners.models import Batch

WINDOW = timedelta(hours=1)


def held() -> Q:
    """Match signals that a brake holds: of people who left and have not come back."""
    member = SegmentMember.objects.filter(
        subscription=OuterRef("subscription_id"), profile=OuterRef("profile_id")
    )
    return Q(~Exists(member), kind=Signal.Kind.LEFT, subscription__role=Subscription.Role.ENTRY)


def free(listener: int) -> QuerySet[Signal]:
    """Return the signals of a listener that its brake does not hold, but for some that ask nothing.

    Not by what it holds: of very many people who left, each look would read all. Who is a member
    again has come back by another signal, which leads to the one that was held.
    """
    mine = Signal.objects.filter(listener=listener)
    others = mine.exclude(kind=Signal.Kind.LEFT)
    back = mine.filter(kind=Signal.Kind.LEFT, profile__in=others.values("profile"))
    return Signal.objects.filter(
        pk__in=others.values("pk").union(back.exclude(held()).values("pk"))
    )


def n_held(canvas: Canvas) -> int:
    """Return how many people would be removed."""
    return Signal.objects.filter(held(), listener=canvas.pk).count()


def holding(canvas: Canvas) -> list[int]:
    """Return the ids of the steps whose removals of people who left a brake holds."""
    return list(canvas.steps.all().removing().values_list("pk", flat=True))


def apply(canvas: Canvas, steps: Sequence[Step], *, now: datetime) -> None:
    """Begin to hold removals if their number within an hour exceeds the limits.

    Not within an hour after a member lifted the brake.
    """
    lifted_at = canvas.brake_lifted_at
    if not steps or canvas.braked_at or (lifted_at and now - WINDOW < lifted_at <= now):
        return
    if not _has_news(canvas):
        return
    removed = _removed(steps, since=now - WINDOW)
    if not _is_too_many(canvas, canvas.brake_waiting + removed):
        return
    leaving = n_held(canvas)
    Canvas.objects.filter(pk=canvas.pk).update(brake_waiting=leaving)
    if leaving and _is_too_many(canvas, leaving + removed):
        Canvas.objects.filter(pk=canvas.pk).update(braked_at=now)
        canvas.braked_at = now
        reconcile.soon(canvas.app_group_id)


def _has_news(canvas: Canvas) -> bool:
    """Note the people who left since the last look; return whether there are any.

    Without them the limits hold as before: who waited then was counted, removed or not. So a look
    counts only new signals, and not a million again for each chunk.
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


def _is_too_many(canvas: Canvas, leaving: int) -> bool:
    if leaving < settings.REMOVAL_BRAKE_PEOPLE:
        return False
    entry = Q(subscription__listener=canvas.pk, subscription__role="entry")
    staying = SegmentMember.objects.filter(entry).count()
    return 100 * leaving / (staying + leaving) > settings.REMOVAL_BRAKE_PERCENT


def _links_of_braked() -> QuerySet[Any]:
    """Return the pairs of step and Sync of live canvases whose brake holds removals."""
    return Step.syncs.through.objects.filter(
        step__canvas__state=Canvas.State.LIVE, step__canvas__braked_at__isnull=False
    )


def held_syncs(app_group: int | None) -> list[HeldAt]:
    """Return the Syncs of each canvas that holds removals, for its incident.

    Also those that none of its steps uses any more: their people wait all the same.
    """
    links = _links_of_braked().filter(
        Exists(Signal.objects.filter(held(), listener=OuterRef("step__canvas"))),
        step__canvas__app_group__archived_at=None,
    )
    if app_group is not None:
        links = links.filter(step__canvas__app_group=app_group)
    found: dict[tuple[int, int], list[int]] = {}
    rows = links.order_by("-sync__is_live", "sync", "pk")
    for group, canvas, sync in rows.values_list("step__canvas__app_group", "step__canvas", "sync"):
        found.setdefault((group, canvas), []).append(sync)
    return [HeldAt(group, some) for (group, _canvas), some in found.items()]


def held_people(syncs: Sequence[int]) -> dict[int, int]:
    """Return Sync -> how many people its canvas would remove. Two queries."""
    links = _links_of_braked().filter(sync__in=syncs)
    canvases = dict(links.values_list("sync", "step__canvas"))
    signals = Signal.objects.filter(held(), listener__in=canvases.values()).order_by()
    people = dict(signals.values_list("listener").annotate(n=Count("pk")))
    return {sync: people.get(canvas, 0) for sync, canvas in canvases.items()}


def beat() -> None:
    """Release the brakes that hold nothing any more, since all have come back.

    Else the next person who leaves would be held, too. A brake that holds people stays.
    """
    holding = Exists(Signal.objects.filter(held(), listener=OuterRef("pk")))
    braked = Canvas.objects.filter(state=Canvas.State.LIVE, braked_at__isnull=False)
    braked.filter(~holding).update(braked_at=None)


def _removed(steps: Sequence[Step], *, since: datetime) -> int:
    """Return how many removals of people who left were queued since a time."""
    added = [one.pk for step in steps for one in step.syncs.all()]
    batches = Batch.objects.filter(sync__undoes__in=added, created_at__gte=since)
    return batches.aggregate(n=Sum("n"))["n"] or 0


def lift(canvas: Canvas, *, by: User, now: datetime) -> bool:
    """Let the removals go on that are held; return False if there are none."""
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
