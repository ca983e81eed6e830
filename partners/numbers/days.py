"""What tallies said when a day began: what they have changed by since is the difference."""

from __future__ import annotations

from datetime import date

from django.db.models import OuterRef, Subquery
from django.db.models.functions import JSONArray

from partners.models import TallyDay
from partners.models.tallies import COLUMNS

NOW = tuple(f"tally__{name}" for name in COLUMNS)
"""What the tally of a Sync says now."""


def said(day: date, *names: str) -> Subquery:
    """Return what the tally of a Sync said when ``day`` (UTC) began, in the order of COLUMNS.

    A list of integers, or NULL if nothing has changed since. It is in the first row from that day
    on: one look at an index, however long ago the day is. Not a join: PostgreSQL would read the
    whole table for it.
    """
    rows = TallyDay.objects.filter(sync=OuterRef("pk"), day__gte=day).order_by("day")
    return Subquery(rows.values(said=JSONArray(*(names or COLUMNS)))[:1])
