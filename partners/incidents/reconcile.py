"""Open and end incidents, so that there is exactly one open row for each present trouble.

A periodic job (beat) does this each minute for all groups. Code that changes a place does it at
once for the group (`after_commit`).
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


def after_commit(app_group: int) -> None:
    """Reconcile a group once the transaction is committed. An error is only logged.

    If it fails, the periodic job does the same within a minute.
    """
    transaction.on_commit(lambda: run(now=timezone.now(), app_group=app_group), robust=True)


def run(*, now: datetime, app_group: int | None = None) -> None:
    """Reconcile one group, or all: ten queries if nothing has changed and nothing is open."""
    troubles, open_rows = _troubles(now=now, app_group=app_group), _open_rows(app_group)
    begun, ended = _difference(troubles, open_rows)
    group_ids = {trouble.app_group for trouble in begun} | {row.app_group_id for row in ended}
    for group_id in sorted(group_ids):
        _write_changes(group_id, now=now)
    if begun or open_rows:
        _store_people(_open_rows(app_group) if begun or ended else open_rows)


def _troubles(*, now: datetime, app_group: int | None) -> list[Trouble]:
    return [
        *present.troubles(now=now, app_group=app_group),
        *thresholds.troubles(now=now, app_group=app_group),
        *held.troubles(app_group=app_group),
    ]


def _open_rows(app_group: int | None) -> list[Incident]:
    rows = Incident.objects.open()
    return list(rows if app_group is None else rows.filter(app_group=app_group))


def _difference(
    troubles: list[Trouble], open_rows: Iterable[Incident]
) -> tuple[list[Trouble], list[Incident]]:
    """Return the troubles that begin (without an open row), and the rows that end (no trouble)."""
    row_of = {(row.place, row.place_id, row.code): row for row in open_rows}
    present_keys = {trouble.key for trouble in troubles}
    new = [trouble for trouble in troubles if trouble.key not in row_of]
    begun = [trouble for trouble in new if not trouble.is_covered]
    return begun, [row for key, row in row_of.items() if key not in present_keys]


def _write_changes(app_group: int, *, now: datetime) -> None:
    """Write which incidents begin and end in a group. One process at a time for each group."""
    with transaction.atomic():
        # Read again under the lock: since the first reading, another process may have opened or
        # ended rows.
        if not AppGroup.objects.select_for_update(no_key=True).filter(pk=app_group).first():
            return
        troubles = _troubles(now=now, app_group=app_group)
        begun, ended = _difference(troubles, _open_rows(app_group))
        begun = pauses.resume(begun, app_group=app_group, now=now)
        Incident.objects.bulk_create(
            [
                Incident(
                    app_group_id=app_group,
                    code=trouble.code,
                    begun_at=now,
                    **{f"{trouble.place}_id": trouble.place_id},
                )
                for trouble in begun
            ],
            ignore_conflicts=True,
        )
        Incident.objects.open().filter(pk__in=[row.pk for row in ended]).update(ended_at=now)


def _store_people(rows: list[Incident]) -> None:
    """Store how many people wait behind each open incident, where that has changed."""
    risk_of, n_held = risks.of_incidents(rows), held.people(rows)
    changed_rows = []
    for row in rows:
        risk = Risk(n_held[row.pk]) if row.pk in n_held else risk_of[row.pk]
        if risk.people != row.people or (risk.people and risk.errored_at != row.deadline_at):
            row.people, row.deadline_at = risk.people, risk.errored_at
            row.most_people = Greatest("most_people", Value(risk.people))
            changed_rows.append(row)
    Incident.objects.bulk_update(changed_rows, ["people", "deadline_at", "most_people"])
