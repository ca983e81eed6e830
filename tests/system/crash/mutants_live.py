"""Seed bugs of live segments, entries and exits."""

from functools import partial

from django.db import transaction

from audiencesync.people.models.live import Signal
from audiencesync.people.segments import live as live_segments
from audiencesync.people.segments import live_changes
from canvases.engine import admission, exits, rows, signals
from canvases.models import Visit
from partners.models import Delivery
from tests.system.crash import scenarios_live as live
from tests.system.crash.mutants import seeded


@seeded(live.LIVE, "kill")
def signals_deleted_after_the_commit():
    """signals are deleted after the commit of the work they caused"""
    delete = signals._delete
    signals._delete = lambda done: transaction.on_commit(lambda: delete(done))


@seeded(live.LIVE, "kill")
def removal_needs_an_open_visit():
    """only people with an open visit are removed when they leave"""
    withdraw = exits.withdraw

    def withdrawing(steps, people, **how):
        inside = Visit.objects.filter(profile__in=list(people), left_at=None)
        return withdraw(steps, list(inside.values_list("profile", flat=True)), **how)

    exits.withdraw = withdrawing


@seeded(live.LIVE, "kill")
def added_while_being_removed():
    """a person whose identifiers changed is added again before the removal is sent"""
    exits.pending_removals = lambda steps: Delivery.objects.none()


@seeded(live.EVENTS, "kill")
def early_exits_are_not_counted():
    """visits that end early still wait in the tally of their step"""
    leave = rows.count_departures
    rows.count_departures = lambda step, n, *, to, now: (
        None if to == "withdrawn" else leave(step, n, to=to, now=now)
    )


@seeded(live.LIVE, "kill")
def signals_after_the_members():
    """signals of a live segment are written after the commit of its members"""
    insert, table = live_changes._insert, Signal._meta.db_table

    def inserting(into, *rest):
        if table in into:
            transaction.on_commit(partial(insert, into, *rest))
        else:
            insert(into, *rest)

    live_changes._insert = inserting


@seeded(live.SCHEDULE, "kill")
def members_after_the_admission():
    """the members of a watched segment are written after the commit that admits them"""

    def crowd(canvas, people, *, upto, now):
        entry, low = admission.entry_subscription(canvas), canvas.entry_cursor

        @transaction.on_commit
        def fill():
            with transaction.atomic():
                live_segments.fill(entry, low=low, high=upto, now=now)

        return admission.Entrants(people, is_new=False)

    admission._entrants = crowd
