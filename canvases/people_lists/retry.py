"""Try errored people of a step again: all, those behind a number, or some of these."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import Activity, User
from canvases.models import Step
from canvases.people_lists.number import Number
from partners import sync
from partners.models import Sync

ARCHIVED = _(
    "This canvas is archived: no one is retried. Take it out of the archive and launch it first."
)


def retry_number(step: Step, number: Number, *, only: Collection[int] | None, now: datetime) -> int:
    """Enqueue the people of a number again, or ``only`` these deliveries; return how many."""
    return retry_errored(
        step, is_removal=number.is_removal, reason=number.reason, only=only, now=now
    )


def retry_errored(
    step: Step,
    *,
    is_removal: bool | None = None,
    reason: str | None = None,
    only: Collection[int] | None = None,
    now: datetime,
) -> int:
    """Enqueue the errored people of ``step`` again in its current Sync; return how many.

    Removals of people who left are retried in their own Sync. ``is_removal``: True for these only,
    False for the others only. ``reason``: only people with this reason or code. ``only``: ids of
    the deliveries to retry.
    """
    filters: Any = {"reason": reason, "only": only, "now": now}
    adds = [] if is_removal else list(step.syncs.order_by("pk"))
    removal_syncs = Sync.objects.filter(undoes__steps=step).order_by("pk")
    removals = [] if is_removal is False else list(removal_syncs)
    return sum(sync.retry_errored(sync_row, to=step.sync, **filters) for sync_row in adds) + sum(
        sync.retry_errored(sync_row, **filters) for sync_row in removals
    )


def log(step: Step, n: int, *, by: User) -> None:
    """Log that ``n`` people of a step were retried."""
    Activity.log(
        step.canvas.app_group,
        by,
        Activity.Verb.RETRIED,
        step.canvas.name,
        kind=Activity.Kind.CANVAS,
        changes=[(_("People retried"), None, n)],
    )
