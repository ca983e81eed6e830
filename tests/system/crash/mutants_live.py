"""Seed bugs of live segments, entries and exits."""

from django.db import transaction

from canvases.engine import exits, rows, signals
from canvases.models import Visit
from partners.models import Delivery
from tests.system.crash import scenarios_live as live
from tests.system.crash.mutants import seeded


@seeded(live.LIVE, "kill")
def signals_deleted_after_the_commit():
    """signals are deleted after the commit of what they asked for"""
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
    leave = rows.leave
    rows.leave = lambda step, n, *, to: None if to == "withdrawn" else leave(step, n, to=to)
