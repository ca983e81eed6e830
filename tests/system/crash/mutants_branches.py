"""Seed bugs of branches and waits."""

from django.db import transaction

from canvases.engine import clearance, rows, waits
from tests.system.crash import scenarios_branches as branches
from tests.system.crash.mutants import seeded


@seeded(branches.BRANCHES, "kill")
def branches_counted_after_the_commit():
    """the tally of a branch is written after the commit of the move"""
    take = rows.count_branch
    rows.count_branch = lambda *what: transaction.on_commit(lambda: take(*what))


@seeded(branches.WAITS, "kill")
def waits_worked_off_after_the_commit():
    """a signal is deleted before its branch is chosen"""
    choose = waits.choose
    waits.choose = lambda *what, now: transaction.on_commit(lambda: choose(*what, now=now))


@seeded(branches.REMOVES, "kill")
def people_of_a_removed_step_counted_after_the_commit():
    """people who leave a removed step are counted after the commit of the move"""
    move = clearance._move

    def moved(crowd, step, to, *, now):
        leave = rows.count_departures
        rows.count_departures = lambda *what, **how: transaction.on_commit(
            lambda: leave(*what, **how)
        )
        try:
            return move(crowd, step, to, now=now)
        finally:
            rows.count_departures = leave

    clearance._move = moved
