"""Identify anonymous profiles: their visits and pending deliveries pass to the merged profile."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from audiencesync.groups.models import AppGroup
from audiencesync.people.api import identify as people_identify
from audiencesync.people.api.identify import ProcessedObjects
from audiencesync.people.models import Profile
from canvases import engine
from canvases.models import Canvas, LeftBy, Visit
from partners import sync


def identify(
    app_group: AppGroup, arrays: Mapping[str, Sequence[Any]], *, now: datetime
) -> ProcessedObjects:
    """Apply one body of /users/identify, and reassign visits and deliveries, in one transaction.

    Hold the locks of the canvases, so that no visit of an anonymous profile moves meanwhile.
    """
    with transaction.atomic():
        Canvas.lock_all(app_group)
        done = people_identify.identify(app_group, arrays, now=now)
        people = Profile.objects.filter(app_group=app_group, external_id__in=done.external_ids)
        visitors = Profile.everybody.filter(merged_into__in=people).values_list("pk", "merged_into")
        for visitor, person in visitors.order_by("pk"):
            assert person is not None
            _hand_over(visitor, to=person, now=now)
    return done


def _hand_over(visitor: int, *, to: int, now: datetime) -> None:
    """Reassign visits and deliveries of an anonymous profile.

    A person is in a canvas once at a time, and has one visit per slot. If this forbids reassigning
    an open visit of the anonymous profile, the visit ends. If both profiles wait at one step, the
    branch that was chosen for the ended visit passes to the other visit.
    """
    visits = Visit.objects.filter(profile=to)
    open_visit_in = dict(visits.filter(left_at=None).values_list("canvas", "pk"))
    taken_slots = set(visits.values_list("canvas", "slot"))
    for visit in Visit.objects.filter(profile=visitor).select_related("canvas").order_by("pk"):
        is_open = visit.left_at is None
        is_free = (visit.canvas_id, visit.slot) not in taken_slots
        if is_free and not (is_open and visit.canvas_id in open_visit_in):
            Visit.objects.filter(pk=visit.pk).update(profile=to)
        elif is_open:
            if visit.canvas_id in open_visit_in:
                kept_visit = Visit.objects.select_related("step").get(
                    pk=open_visit_in[visit.canvas_id]
                )
                engine.inherit_branch(kept_visit, by=visit, now=now)
            engine.end_visits(visit.canvas, LeftBy.MERGED, {visitor: None}, now=now)
    sync.reassign(visitor, to=to)
