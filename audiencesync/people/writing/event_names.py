"""List the event names of a group: one index lookup per name, however many events exist."""

from __future__ import annotations

from django.db import connection

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Event

_TABLE = Event._meta.db_table
_NEXT = (
    f"(SELECT name FROM {_TABLE}"  # noqa: S608  # own names only
    " WHERE app_group_id = %s AND kind = %s {} ORDER BY name LIMIT 1)"
)
_NAMES = (
    "WITH RECURSIVE found (name) AS ("  # noqa: S608  # own names only
    f"SELECT {_NEXT.format('')} UNION ALL"
    f" SELECT {_NEXT.format('AND name > found.name')} FROM found WHERE found.name IS NOT NULL)"
    " SELECT name FROM found WHERE name IS NOT NULL LIMIT %s OFFSET %s"
)


def page(app_group: AppGroup, *, start: int, n: int) -> list[str]:
    """Return up to ``n`` names in their order, after the first ``start``."""
    group_and_kind: tuple[int, str] = (app_group.pk, str(Event.Kind.EVENT))
    with connection.cursor() as cursor:
        cursor.execute(_NAMES, (*group_and_kind, *group_and_kind, n, start))
        return [name for (name,) in cursor.fetchall()]
