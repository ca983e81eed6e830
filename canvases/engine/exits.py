"""End visits early, and remove people who left from the audiences that they were added to."""

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
    """End the open visits of these people now, at any step; return how many.

    ``people``: profile -> when the exit event happened; visits that began later (`_ends`) go on.
    None: the time does not matter. Call it under the lock of the canvas.
    """
    visits = Visit.objects.filter(canvas=canvas, left_at=None, profile__in=list(people))
    open_visits = list(visits.values_list("pk", "profile", "began_at", "entered_at"))
    visit_ids = [
        pk
        for pk, profile, began_at, entered_at in open_visits
        if _ends(people[profile], began_at, entered_at)
    ]
    if not visit_ids:
        return 0
    ended = Visit.objects.filter(pk__in=visit_ids, left_at=None)
    by_step = list(ended.order_by().values_list("step").annotate(n=Count("pk")))
    trail = trails.trail_when_withdrawn()
    n = ended.update(step=None, due_at=None, left_at=now, left_by=reason, trail=trail)
    # "withdrawn" counts visits that ended before their step acted; `withdraw` is about audiences.
    for step_id, n_there in by_step:
        rows.count_departures(step_id, n_there, to="withdrawn", now=now)
    rows.count_exits(canvas, reason, n)
    return n


def entered_later(canvas: Canvas, people: Mapping[int, datetime | None]) -> set[int]:
    """Return the people who entered after their exit event, which arrived late.

    Such an event does not end their visit: they stay in the audience, even if the visit is over.
    """
    if not people:
        return set()
    visits = Visit.objects.filter(canvas=canvas, profile__in=list(people))
    entries = visits.values_list("profile", "began_at", "entered_at")
    return {
        profile
        for profile, began_at, entered_at in entries
        if profile and not _ends(people[profile], began_at, entered_at)
    }


def _ends(exit_at: datetime | None, began_at: datetime | None, entered_at: datetime) -> bool:
    """Return whether an exit event ends a visit. One from before the visit began does not."""
    # A visit begins with the event that let the person in, or else with the entry. Programs often
    # send times in whole seconds, so the time of entry is rounded down.
    return exit_at is None or exit_at >= (began_at or entered_at.replace(microsecond=0))


def events_q(canvas: Canvas, only: tuple[str, str] | None = None, *, now: datetime) -> Q:
    """Return the condition on events that end visits of a canvas.

    ``only``: kind and name of the only events to include.
    """
    condition = Q(pk__in=[])
    for event in canvas.exits.get("events", []):
        if only is None or only == (event["kind"], event["name"]):
            condition |= filters.of_event(event, now=now)
    return condition


def removing_steps(canvas: Canvas) -> list[Step]:
    """Return the Audience Sync steps that remove the people they added when these leave."""
    steps = Step.objects.filter(canvas=canvas).removing()
    return list(steps.select_related("sync").prefetch_related("syncs"))


def withdraw(
    steps: Sequence[Step], people: Collection[int], *, changed: Collection[int], now: datetime
) -> set[int]:
    """Remove people from each audience that these steps added them to.

    ``changed``: those of them whose identifiers changed. Their former identifiers are removed even
    if another step wants the people in the audience.
    Return the people whose removal is pending now.
    """
    if not steps or not people:
        return set()
    unchanged = [person for person in people if person not in changed]
    add_syncs = {
        add_sync for step in steps for add_sync in step.syncs.all() if add_sync.action == Action.ADD
    }
    # the order in which `sync.withdraw` must lock audiences
    for add_sync in sorted(add_syncs, key=lambda add_sync: (add_sync.audience_id, add_sync.pk)):
        sync.withdraw(add_sync, unchanged, now=now)
        sync.withdraw(add_sync, list(changed), even_if_wanted=True, now=now)
    pending = pending_removals(steps).filter(profile__in=list(people))
    return set(pending.values_list("profile", flat=True))


def pending_people(steps: Sequence[Step], people: Collection[int]) -> set[int]:
    """Return the people with a pending add or removal in the audiences of these steps."""
    if not people:
        return set()
    deliveries = _pending(steps).filter(profile__in=list(people))
    return set(deliveries.values_list("profile", flat=True))


def standing_adds(steps: Sequence[Step]) -> QuerySet[Delivery]:
    """Return the adds of these steps that no removal has reverted: leaving would revert them."""
    sync_ids = {
        step_sync.pk
        for step in steps
        for step_sync in step.syncs.all()
        if step_sync.action == Action.ADD
    }
    return sync.standing_adds(sync_ids)


def pending_removals(steps: Sequence[Step]) -> QuerySet[Delivery]:
    """Return the pending removals from the audiences of these steps."""
    return _pending(steps).filter(batch__action=Action.REMOVE)


def _pending(steps: Sequence[Step]) -> QuerySet[Delivery]:
    audiences = {step_sync.audience_id for step in steps for step_sync in step.syncs.all()}
    return Delivery.objects.filter(
        outcome=None,
        batch__state=Outcome.PENDING,
        batch__audience__in=audiences,
    )
