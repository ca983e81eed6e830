"""What tallies said when a day began: what they have changed by since is the difference."""

from __future__ import annotations

from datetime import date

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONArray

from partners.models import TallyDay
from partners.models.tallies import COLUMNS

NOW = tuple(f"tally__{name}" for name in COLUMNS)
"""What the tally of a Sync says now."""


def said(day: date) -> Subquery:
    """Return what the tally of a Sync said when ``day`` (UTC) began, in the order of COLUMNS.

    A list of integers, or NULL if nothing has changed since.
    """
    return Subquery(_first_row(day).values(said=JSONArray(*COLUMNS))[:1])


def said_of(day: date, name: str) -> Subquery:
    """Return one number that the tally of a Sync said when ``day`` (UTC) began, or NULL."""
    return Subquery(_first_row(day).values(name)[:1])


def _first_row(day: date) -> QuerySet[TallyDay]:
    """Return the rows from that day on, of which the first one says it.

    One look at an index, however long ago the day is. Not a join: PostgreSQL would read the whole
    table for it.
    """
    return TallyDay.objects.filter(sync=OuterRef("pk"), day__gte=day).order_by("day")
