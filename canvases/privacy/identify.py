"""Identify anonymous profiles: their visits and pending deliveries pass to the merged profile."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from audiencesync.groups.models import AppGroup
from audiencesync.people.api import identify as renaming
from audiencesync.people.api.identify import Renamed
from audiencesync.people.models import Profile
from canvases.models import Canvas, Visit
from partners import sync


def identify(app_group: AppGroup, arrays: Mapping[str, Sequence[Any]], *, now: datetime) -> Renamed:
    """Apply one body of /users/identify, and reassign visits and deliveries, in one transaction.

    Holds the locks of the canvases: no visit of an anonymous profile moves meanwhile.
    """
    with transaction.atomic():
        Canvas.lock_all(app_group)
        done = renaming.identify(app_group, arrays, now=now)
        people = Profile.objects.filter(app_group=app_group, external_id__in=done.external_ids)
        visitors = Profile.everybody.filter(merged_into__in=people).values_list("pk", "merged_into")
        for visitor, person in visitors.order_by("pk"):
            _hand_over(visitor, to=person)
    return done


def _hand_over(visitor: int, *, to: int | None) -> None:
    """Reassign visits and deliveries of an anonymous profile.

    A visit stays where the person has one in the same canvas: a profile enters a canvas once.
    """
    been_to = Visit.objects.filter(profile=to).values("canvas")
    Visit.objects.filter(profile=visitor).exclude(canvas__in=been_to).update(profile=to)
    sync.reassign(visitor, to=to)
