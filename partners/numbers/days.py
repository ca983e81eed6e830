"""What tallies have changed by since a day began: from what they said then."""

from __future__ import annotations

from datetime import date

from django.db.models import F, OuterRef, QuerySet, Subquery, Sum

from partners.models import Sync, TallyDay
from partners.models.tallies import COLUMNS

CHANGES = {f"sum_{name}": Sum(F(f"sync__tally__{name}") - F(name)) for name in COLUMNS}


def begun(syncs: QuerySet[Sync], day: date) -> QuerySet[TallyDay]:
    """Return what each tally said when ``day`` (UTC) began; of those that have changed since.

    One look at an index for each Sync, however long ago the day is: it takes the first day from
    then on that has a row.
    """
    first = TallyDay.objects.filter(sync=OuterRef("pk"), day__gte=day).order_by("day")
    rows = syncs.order_by().annotate(first=Subquery(first.values("pk")[:1]))
    return TallyDay.objects.filter(pk__in=rows.values("first")).order_by()
