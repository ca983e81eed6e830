"""End visits early, and take people who left out of the audiences again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from audiencesync.people.segments import filters
from canvases.engine import rows, trails
from canvases.models import Canvas, LeftBy, Step, Visit
from partners import sync
from partners.models import Action, Delivery, Outcome


def end_visits(
    canvas: Canvas, reason: LeftBy, people: Mapping[int, datetime | None], *, now: datetime
) -> int:
    """End the open visits of these people at once, in whatever step; return how many.

    ``people``: profile -> when the exit event happened; visits that began later go on. None: the
    time does not matter. Call it under the lock of the canvas.
    """
    visits = Visit.objects.filter(canvas=canvas, left_at=None, profile__in=list(people))
    found = list(visits.values_list("pk", "profile", "began_at", "entered_at"))
    chosen = [
        pk
        for pk, profile, began_at, entered_at in found
        if _ends(people[profile], began_at, entered_at)
    ]
    if not chosen:
        return 0
    mine = Visit.objects.filter(pk__in=chosen, left_at=None)
    by_step = list(mine.order_by().values_list("step").annotate(n=Count("pk")))
    trail = trails.withdrawn_anywhere()
    n = mine.update(step=None, due_at=None, left_at=now, left_by=reason, trail=trail)
    for step_id, n_there in by_step:
        rows.count_departures(step_id, n_there, to="withdrawn", now=now)
    rows.count_exits(canvas, reason, n)
    return n


def entered_later(canvas: Canvas, people: Mapping[int, datetime | None]) -> set[int]:
    """Return those of these people who entered after their exit event, which arrived late.

    Their visit goes on, or has ended since: they stay in the audience.
    """
    if not people:
        return set()
    visits = Visit.objects.filter(canvas=canvas, profile__in=list(people))
    rows = visits.values_list("profile", "began_at", "entered_at")
    return {
        profile
        for profile, began_at, entered_at in rows
        if profile and not _ends(people[profile], began_at, entered_at)
    }


def _ends(exit_at: datetime | None, began_at: datetime | None, entered_at: datetime) -> bool:
    """Return whether an exit event ends a visit: it did not happen before it."""
    # Programs often send whole seconds.
    return exit_at is None or exit_at >= (began_at or entered_at.replace(microsecond=0))


def asked(canvas: Canvas, name: tuple[str, str] | None = None, *, now: datetime) -> Q:
    """Return the condition on events: any exit of the canvas; ``name``: (kind, name) of some."""
    wanted = Q(pk__in=[])
    for one in canvas.exits.get("events", []):
        if name is None or name == (one["kind"], one["name"]):
            wanted |= filters.of_event(one, now=now)
    return wanted


def removing_steps(canvas: Canvas) -> list[Step]:
    """Return the Audience Sync steps that remove people again when they leave."""
    steps = Step.objects.filter(canvas=canvas).removing()
    return list(steps.select_related("sync").prefetch_related("syncs"))


def withdraw(
    steps: Sequence[Step], people: Collection[int], *, changed: Collection[int], now: datetime
) -> set[int]:
    """Remove people again from each audience that these steps added them to.

    ``changed``: those whose former identifiers leave although others want the people there.
    Return the people whose removal is pending now.
    """
    if not steps or not people:
        return set()
    others = [person for person in people if person not in changed]
    adding = {one for step in steps for one in step.syncs.all() if one.action == Action.ADD}
    for one in sorted(adding, key=lambda one: (one.audience_id, one.pk)):
        sync.withdraw(one, others, now=now)
        sync.withdraw(one, list(changed), even_if_wanted=True, now=now)
    pending = pending_removals(steps).filter(profile__in=list(people))
    return set(pending.values_list("profile", flat=True))


def pending_people(steps: Sequence[Step], people: Collection[int]) -> set[int]:
    """Return the people with a pending add or removal in the audiences of these steps."""
    if not people:
        return set()
    pending = _pending(steps).filter(profile__in=list(people))
    return set(pending.values_list("profile", flat=True))


def added(steps: Sequence[Step]) -> QuerySet[Delivery]:
    """Return the adds of these steps that stand: the people would be removed if they left."""
    adding = {one.pk for step in steps for one in step.syncs.all() if one.action == Action.ADD}
    return sync.standing_adds(adding)


def pending_removals(steps: Sequence[Step]) -> QuerySet[Delivery]:
    """Return the pending removals from the audiences of these steps."""
    return _pending(steps).filter(batch__action=Action.REMOVE)


def _pending(steps: Sequence[Step]) -> QuerySet[Delivery]:
    audiences = {one.audience_id for step in steps for one in step.syncs.all()}
    return Delivery.objects.filter(
        outcome=None,
        batch__state=Outcome.PENDING,
        batch__audience__in=audiences,
    )
