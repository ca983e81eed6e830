"""When members are reminded that people are errored soon: six hours and one hour before.

Each incident has each reminder at most once, and none for people that another incident, at a wider
place, holds too: that one reminds of them.
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
ORDER = (Kind.BEGUN, Kind.SIX_HOURS, Kind.ONE_HOUR)
"""From the earliest: after one of these, none before it is written."""


def may_be_due(kind: Kind, *, now: datetime) -> Q:
    """Match the incidents of which `level` may return ``kind``."""
    return Q(deadline_at__lte=now + deadlines.share_of_delivery(HOURS[kind]))


def level(incident: Incident, *, now: datetime) -> Kind | None:
    """Return the reminder whose time has come; None if no people are errored that soon."""
    return next((kind for kind in HOURS if batches(incident, kind, now=now).exists()), None)


def batches(incident: Incident, kind: Kind, *, now: datetime) -> QuerySet[Batch]:
    """Return the batches that an incident holds, of people errored within the hours of a kind."""
    until = now + deadlines.share_of_delivery(HOURS[kind])
    mine = risks.batches_of(incident).filter(deadline_at__gt=now, deadline_at__lte=until)
    return mine.exclude(_reminded_by_others(incident))


def held_no_more(incident: Incident) -> QuerySet[Batch]:
    """Return the batches that an ended incident held, and that no open one holds."""
    others = Q(pk__in=[])
    for place in risks.PATHS:
        others |= _held_at(place, _holding())
    return risks.batches_of(incident).exclude(others)


def _reminded_by_others(incident: Incident) -> Q:
    found = Q(pk__in=[])
    for place in risks.PATHS:  # the widest first
        if place == incident.place:
            break
        found |= _held_at(place, _holding())
    if incident.code == codes.BACKLOG:  # a refusal of the same ad account says why
        found |= _held_at(incident.place, _holding().exclude(code=codes.BACKLOG))
    return found


def _holding() -> QuerySet[Incident]:
    return Incident.objects.open().exclude(code__in=codes.HOLD_NO_BATCHES)


def _held_at(place: str, incidents: QuerySet[Incident]) -> Q:
    """Match batches that one of the incidents holds, at this kind of place."""
    return Q(Exists(incidents.filter(**{place: OuterRef(risks.PATHS[place])})))
