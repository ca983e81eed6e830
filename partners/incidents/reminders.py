"""When members are reminded that people are errored soon: six hours and one hour before.

Each incident has each reminder at most once. An incident holds batches that it keeps from being
sent. If another one at a wider place holds them, too, only that one reminds of them.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from audiencesync.core import deadlines
from partners import risks
from partners.incidents import codes, present
from partners.models import Batch, Incident, Notice

Kind = Notice.Kind
HOURS = {Kind.ONE_HOUR: 1, Kind.SIX_HOURS: present.SOON_HOURS}
"""The hours of each reminder, the most urgent first."""
KINDS_IN_ORDER = (Kind.BEGUN, Kind.SIX_HOURS, Kind.ONE_HOUR)
"""The kinds in order of time. After a later kind, an earlier one is no longer written."""


def due_q(kind: Kind, *, now: datetime) -> Q:
    """Match the incidents for which `due_kind` may return ``kind``."""
    return Q(deadline_at__lte=now + deadlines.share_of_delivery(HOURS[kind]))


def due_kind(incident: Incident, *, now: datetime) -> Kind | None:
    """Return the reminder whose time has come; None if no people are errored that soon."""
    return next((kind for kind in HOURS if batches(incident, kind, now=now).exists()), None)


def batches(incident: Incident, kind: Kind, *, now: datetime) -> QuerySet[Batch]:
    """Return the batches held by an incident whose deadline is within the hours of a reminder.

    Batches that another incident reminds of are left out.
    """
    until = now + deadlines.share_of_delivery(HOURS[kind])
    soon_errored = risks.batches_of(incident).filter(deadline_at__gt=now, deadline_at__lte=until)
    return soon_errored.exclude(_held_by_others_q(incident))


def released_batches(incident: Incident) -> QuerySet[Batch]:
    """Return the pending batches at the place of an ended incident that no open incident holds."""
    held_by_open = Q(pk__in=[])
    for place in risks.PATHS:
        held_by_open |= _held_by_q(place, _open_incidents())
    return risks.batches_of(incident).exclude(held_by_open)


def _held_by_others_q(incident: Incident) -> Q:
    held_q = Q(pk__in=[])
    for place in risks.PATHS:  # the widest first: incidents at wider places remind of their batches
        if place == incident.place:
            break
        held_q |= _held_by_q(place, _open_incidents())
    if incident.code == codes.BACKLOG:  # another incident of the ad account says why, so it reminds
        held_q |= _held_by_q(incident.place, _open_incidents().exclude(code=codes.BACKLOG))
    return held_q


def _open_incidents() -> QuerySet[Incident]:
    return Incident.objects.open().exclude(code__in=codes.HOLD_NO_BATCHES)


def _held_by_q(place: str, incidents: QuerySet[Incident]) -> Q:
    """Match batches that one of the incidents holds, at this kind of place."""
    return Q(Exists(incidents.filter(**{place: OuterRef(risks.PATHS[place])})))
