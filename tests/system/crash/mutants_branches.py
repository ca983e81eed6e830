"""Seed bugs of branches and waits."""

from django.db import transaction

from canvases.engine import rows, waits
from tests.system.crash import scenarios_branches as branches
from tests.system.crash.mutants import seeded


@seeded(branches.BRANCHES, "kill")
def branches_counted_after_the_commit():
    """the tally of a branch is written after the commit of the move"""
    take = rows.take
    rows.take = lambda *what: transaction.on_commit(lambda: take(*what))


@seeded(branches.WAITS, "kill")
def waits_worked_off_after_the_commit():
    """a signal is deleted before its branch is chosen"""
    choose = waits.choose
    waits.choose = lambda *what, now: transaction.on_commit(lambda: choose(*what, now=now))
