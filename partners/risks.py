"""Risk of an unsolved problem: how many people are pending, and when the first are errored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Min, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, ngettext, pgettext

from audiencesync.core import deadlines
from audiencesync.groups.models import AppGroup
from partners.incidents import codes
from partners.models import AdAccount, Audience, Batch, Connection, Incident, Sync

PATHS = {
    "connection": "ad_account__connection",
    "ad_account": "ad_account",
    "audience": "audience",
    "sync": "sync",
}
"""The place of an incident -> the path from a batch to it."""


@dataclass(frozen=True, slots=True)
class Risk:
    """``people`` are pending. The first count as errored at ``errored_at`` (None: no people)."""

    people: int = 0
    errored_at: datetime | None = None

    def deadline_text(self, app_group: AppGroup) -> str:
        """Return by when to act, in the time zone of the group; empty if no people are pending."""
        return local_text(self.errored_at, app_group) if self.errored_at else ""

    @property
    def consequence_text(self) -> str:
        """Return what happens without action."""
        if not self.people:
            text = gettext(
                "No one is waiting yet; "
                "people who come meanwhile count as errored %(retry_time)s later."
            )
            return text % {"retry_time": deadlines.delivery_text()}
        text = ngettext(
            "Otherwise %(n)s person counts as errored.",
            "Otherwise %(n)s people count as errored.",
            self.people,
        )
        return text % {"n": number_format(self.people)}


def local_text(at: datetime, app_group: AppGroup, *, seconds: bool = False) -> str:
    """Return day and time in the time zone of the group; with ``seconds`` only the time."""
    local = timezone.localtime(at, ZoneInfo(app_group.time_zone))
    if seconds:
        return date_format(
            local, pgettext("format of a time of day, see Django's date filter", "H:i:s")
        )
    return date_format(
        local, pgettext("format of a day and time, see Django's date filter", "j M, H:i")
    )


def pending_batches() -> QuerySet[Batch]:
    """Return pending batches of steps, but not the adds of stopped canvases."""
    return Batch.objects.pending().of_steps().filter(n__gt=0).not_paused()


def of_place(place: Connection | AdAccount | Audience) -> Risk:
    """Return what a problem of a connection, ad account or audience risks."""
    if isinstance(place, Connection):
        return _of_batches(pending_batches().filter(ad_account__connection=place))
    if isinstance(place, AdAccount):
        return _of_batches(pending_batches().filter(ad_account=place))
    return _of_batches(pending_batches().filter(audience=place))


def of_sync(sync: Sync) -> Risk:
    """Return what a problem of a Sync risks, including the removals of people who left."""
    return _of_batches(pending_batches_of(sync))


def pending_batches_of(sync: Sync) -> QuerySet[Batch]:
    """Return the pending batches of a Sync and of its undoing Sync."""
    # Filter by ids: for an OR of two conditions, the database reads all pending batches.
    syncs = [sync.pk, *Sync.objects.filter(undoes=sync).values_list("pk", flat=True)]
    return pending_batches().filter(sync__in=syncs)


def batches_of(incident: Incident) -> QuerySet[Batch]:
    """Return the pending batches that an incident holds."""
    if incident.code in codes.HOLD_NO_BATCHES:
        return Batch.objects.none()
    return pending_batches().filter(**{PATHS[incident.place]: incident.place_id})


def of_incidents(incidents: Sequence[Incident]) -> dict[int, Risk]:
    """Return incident id -> what it risks; one query."""
    holding = [incident for incident in incidents if incident.code not in codes.HOLD_NO_BATCHES]
    risk_of = {incident.pk: Risk() for incident in incidents}
    if not holding:
        return risk_of
    held = Q(pk__in=[])  # matches nothing; each place adds its batches
    for place, path in PATHS.items():
        place_ids = [incident.place_id for incident in holding if incident.place == place]
        held |= Q(**{f"{path}__in": place_ids})
    rows = pending_batches().filter(held).order_by().values(*PATHS.values())
    by_place: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows.annotate(people=Sum("n"), first_deadline=Min("deadline_at")):
        for place, path in PATHS.items():
            by_place.setdefault((place, row[path]), []).append(row)
    return risk_of | {
        incident.pk: _of_rows(by_place.get((incident.place, incident.place_id), []))
        for incident in holding
    }


def _of_rows(rows: Sequence[dict[str, Any]]) -> Risk:
    deadlines_at = [row["first_deadline"] for row in rows if row["first_deadline"]]
    return _risk(sum(row["people"] for row in rows), min(deadlines_at, default=None))


def _of_batches(batches: QuerySet[Batch]) -> Risk:
    totals = batches.order_by().aggregate(n=Sum("n"), first_deadline=Min("deadline_at"))
    return _risk(totals["n"] or 0, totals["first_deadline"])


def _risk(people: int, first_deadline: datetime | None) -> Risk:
    """Return the risk of ``people``.

    A batch has no deadline (None) until it fails: its whole retry window is still ahead.
    """
    if not people:
        return Risk()
    whole_window = timezone.now() + timedelta(seconds=settings.SYNC.deadline)
    return Risk(people, first_deadline or whole_window)
