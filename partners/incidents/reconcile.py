"""Open and end incidents, so that there is exactly one open row for each present trouble.

The minute's beat does this for all groups, and each change of a place for its group.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Greatest
from django.utils import timezone

from audiencesync.groups.models import AppGroup
from partners import risks
from partners.incidents import held, pauses, present, thresholds
from partners.incidents.present import Trouble
from partners.models import Incident
from partners.risks import Risk


def soon(app_group: int) -> None:
    """Reconcile a group once the transaction is committed. An error is only logged.

    Without it, the next beat does the same within a minute.
    """
    transaction.on_commit(lambda: run(now=timezone.now(), app_group=app_group), robust=True)


def run(*, now: datetime, app_group: int | None = None) -> None:
    """Reconcile one group, or all: ten queries if nothing has changed and nothing is open."""
    troubles, known = _troubles(now=now, app_group=app_group), _open(app_group)
    begun, over = _difference(troubles, known)
    for pk in sorted({one.app_group for one in begun} | {one.app_group_id for one in over}):
        _change(pk, now=now)
    if begun or known:
        _count(_open(app_group) if begun or over else known)


def _troubles(*, now: datetime, app_group: int | None) -> list[Trouble]:
    return [
        *present.troubles(now=now, app_group=app_group),
        *thresholds.troubles(now=now, app_group=app_group),
        *held.troubles(app_group=app_group),
    ]


def _open(app_group: int | None) -> list[Incident]:
    rows = Incident.objects.open()
    return list(rows if app_group is None else rows.filter(app_group=app_group))


def _difference(
    troubles: list[Trouble], known: Iterable[Incident]
) -> tuple[list[Trouble], list[Incident]]:
    """Return the troubles without an open row, and the open rows without a trouble."""
    rows = {(row.place, row.place_id, row.code): row for row in known}
    now_there = {one.key for one in troubles}
    begun = [one for one in troubles if not one.is_covered and one.key not in rows]
    return begun, [row for key, row in rows.items() if key not in now_there]


def _change(app_group: int, *, now: datetime) -> None:
    """Write what has begun and what is over. One process at a time for each group."""
    with transaction.atomic():
        # Read again under the lock: a row must not be ended on the word of an older look, after
        # another process has found the trouble there again.
        if not AppGroup.objects.select_for_update(no_key=True).filter(pk=app_group).first():
            return
        troubles = _troubles(now=now, app_group=app_group)
        begun, over = _difference(troubles, _open(app_group))
        begun = pauses.resume(begun, app_group=app_group, now=now)
        Incident.objects.bulk_create(
            [
                Incident(
                    app_group_id=app_group,
                    code=one.code,
                    begun_at=now,
                    **{f"{one.place}_id": one.place_id},
                )
                for one in begun
            ],
            ignore_conflicts=True,
        )
        Incident.objects.open().filter(pk__in=[row.pk for row in over]).update(ended_at=now)


def _count(rows: list[Incident]) -> None:
    """Store how many people wait behind each open incident, where that has changed."""
    found, people = risks.of_incidents(rows), held.people(rows)
    changed = []
    for row in rows:
        risk = Risk(people[row.pk]) if row.pk in people else found[row.pk]
        if risk.people != row.people or (risk.people and risk.ends_at != row.deadline_at):
            row.people, row.deadline_at = risk.people, risk.ends_at
            row.most_people = Greatest("most_people", Value(risk.people))
            changed.append(row)
    Incident.objects.bulk_update(changed, ["people", "deadline_at", "most_people"])
