"""Archive, restore or delete an app group. Its profiles leave every audience before its rows go.

A deletion is a column of the group that a periodic task continues, so it survives crashes.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from audiencesync.core.beat import exclusive, wake
from audiencesync.groups.models import Activity, AppGroup, User
from audiencesync.people.models import ErasedName, Erasure, Profile
from audiencesync.people.models.live import SegmentMember, Signal, Subscription
from canvases import engine
from canvases.models import (
    BranchTally,
    Canvas,
    CanvasHour,
    ExitSegment,
    ExitTally,
    Step,
    StepHour,
    StepSegment,
    StepTally,
    Visit,
)
from canvases.privacy import erase
from partners.connections import connect
from partners.models import (
    Batch,
    Connection,
    Delivery,
    Incident,
    Notice,
    Push,
    PushShare,
    Sync,
    Tally,
    TallyDay,
    TallyHour,
    WebhookCall,
)

logger = logging.getLogger(__name__)
TASK = "canvases.privacy.group_deletion.beat"


def archive(app_group: AppGroup, *, by: User, now: datetime) -> bool:
    """Stop all canvases and hide the group; return False if it is archived already."""
    with transaction.atomic():
        archived = AppGroup.objects.filter(pk=app_group.pk, archived_at=None).update(
            archived_at=now
        )
        for canvas in Canvas.objects.filter(app_group=app_group, state=Canvas.State.LIVE):
            engine.stop(canvas, by=by, now=now)
        if archived:
            verb, kind = Activity.Verb.REMOVED, Activity.Kind.GROUP
            Activity.log(app_group, by, verb, app_group.name, kind=kind)
    return bool(archived)


def restore(app_group: AppGroup, *, by: User) -> bool:
    """Show an archived group again, its canvases stopped; return False if it is being deleted."""
    with transaction.atomic():
        hidden = AppGroup.objects.filter(pk=app_group.pk, deleting_at=None).exclude(
            archived_at=None
        )
        restored = hidden.update(archived_at=None)
        if restored:
            verb, kind = Activity.Verb.CREATED, Activity.Kind.GROUP
            Activity.log(app_group, by, verb, app_group.name, kind=kind)
    return bool(restored)


def delete(app_group: AppGroup, *, by: User, now: datetime) -> bool:
    """Archive the group and schedule its deletion; return False if it is scheduled already."""
    with transaction.atomic():
        archive(app_group, by=by, now=now)
        # Set ``archived_at`` again: another request may have restored the group since.
        scheduled = AppGroup.objects.filter(pk=app_group.pk, deleting_at=None).update(
            deleting_at=now, archived_at=Coalesce("archived_at", Value(now))
        )
        wake(TASK)
    return bool(scheduled)


def beat() -> None:
    """Run as a task: continue every deletion for a bounded time, one run at a time."""
    ends_at = time.monotonic() + settings.SYNC.flush_seconds
    with exclusive(TASK, settings.SYNC.lease) as is_mine:
        if not is_mine:
            return
        for group in AppGroup.objects.exclude(deleting_at=None).order_by("deleting_at"):
            try:
                _proceed(group, ends_at=ends_at)
            except DatabaseError:
                raise  # the other groups would fail as well
            except Exception:  # the edge of a loop: an error in one group must not stop the others
                logger.exception("App group %s is not deleted; the next run tries again.", group.pk)


def _proceed(app_group: AppGroup, *, ends_at: float) -> None:
    """Erase the next profiles; once all have left every audience, delete the group."""
    people = Profile.objects.filter(app_group=app_group).order_by("pk").values_list("pk", flat=True)
    while profile_ids := list(people[: erase.CHUNK]):
        erase.erase(app_group, profile_ids, asked_by=Erasure.BY_DELETION, now=timezone.now())
        if time.monotonic() > ends_at:
            wake(TASK)
            return
    if Erasure.objects.filter(app_group=app_group, state=Erasure.State.REMOVING).exists():
        return
    for connection in Connection.objects.filter(app_group=app_group).exclude(token_sealed=""):
        connect.disconnect(connection, discard=True, by=None, now=timezone.now())
    _delete_rows(app_group)
    logger.info("App group %s is deleted.", app_group.pk)


def _delete_rows(app_group: AppGroup) -> None:
    """Delete the remaining rows in one transaction, referenced tables last."""
    path_of: dict[type[Any], str] = {
        Visit: "canvas__app_group",
        StepTally: "step__canvas__app_group",
        StepHour: "step__canvas__app_group",
        BranchTally: "step__canvas__app_group",
        StepSegment: "step__canvas__app_group",
        Step.syncs.through: "step__canvas__app_group",
        Step: "canvas__app_group",
        CanvasHour: "canvas__app_group",
        ExitSegment: "canvas__app_group",
        ExitTally: "canvas__app_group",
        Canvas: "app_group",
        Notice: "incident__app_group",
        WebhookCall: "incident__app_group",
        Incident: "app_group",
        Delivery: "sync__app_group",
        PushShare: "sync__app_group",
        Batch: "sync__app_group",
        TallyHour: "sync__app_group",
        TallyDay: "sync__app_group",
        Tally: "sync__app_group",
        Sync: "app_group",
        Push: "ad_account__connection__app_group",
        Signal: "subscription__app_group",
        SegmentMember: "subscription__app_group",
        Subscription: "app_group",
        ErasedName: "app_group",
        Erasure: "app_group",
    }
    with transaction.atomic():
        for model, path in path_of.items():
            rows: QuerySet[Any] = model._base_manager.filter(**{path: app_group})
            rows._raw_delete(rows.db)  # without loading: referencing rows are gone
        app_group.delete()
