"""The counts of a Sync when a day began, as subqueries for querysets of Syncs.

A row of TallyDay has the counts as they were before the first change of its day. The tally minus
these counts is the change since the day began.
"""

from __future__ import annotations

from datetime import date

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONArray

from partners.models import TallyDay
from partners.models.tallies import COLUMNS

CURRENT = tuple(f"tally__{name}" for name in COLUMNS)
"""The present counts of a Sync, from its tally."""


def counts_at(day: date) -> Subquery:
    """Return the counts of a Sync when ``day`` (UTC) began, in the order of COLUMNS.

    A list of integers, or NULL if nothing has changed since.
    """
    return Subquery(_rows_since(day).values(counts=JSONArray(*COLUMNS))[:1])


def count_at(day: date, name: str) -> Subquery:
    """Return one of the counts of a Sync when ``day`` (UTC) began, or NULL."""
    return Subquery(_rows_since(day).values(name)[:1])


def _rows_since(day: date) -> QuerySet[TallyDay]:
    """Return the rows of ``day`` and later, oldest first; the first one has the counts of ``day``.

    This is one index lookup for any day; for a join, PostgreSQL would read the whole table.
    """
    return TallyDay.objects.filter(sync=OuterRef("pk"), day__gte=day).order_by("day")
