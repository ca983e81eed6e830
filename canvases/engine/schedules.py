"""Start the runs of canvases that people enter on a schedule."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from audiencesync.groups.models import AppGroup
from canvases import schedule
from canvases.engine import admission, rows
from canvases.models import Canvas


def start(canvas_id: int, *, now: datetime) -> int:
    """Start a run that is due, and note the next one; return 1 if a run was started.

    A run that comes due while the last one is still going is left out. Several missed runs are
    made up by one.
    """
    with transaction.atomic():
        canvas = rows.locked_live(canvas_id)
        if canvas is None or canvas.next_run_at is None or canvas.next_run_at > now:
            return 0
        # The group was read before the lock was granted, so its zone may have changed since.
        canvas.app_group.refresh_from_db(fields=["time_zone"])
        next_at = next_run(canvas, now=now)
        if canvas.entry_until is not None:  # the last run is still admitting profiles
            Canvas.objects.filter(pk=canvas.pk).update(next_run_at=next_at)
            return 0
        # The run ends with the profile that has the highest id now.
        highest = admission.highest_profile(canvas.app_group_id)
        Canvas.objects.filter(pk=canvas.pk).update(
            next_run_at=next_at, entry_cursor=0, entry_until=highest
        )
    return 1


def move_to_zone(app_group: AppGroup, former_zone: str, now: datetime) -> None:
    """Let the next runs of a group happen at the same local times in its new time zone.

    A run whose local time is over in the new zone is due at once. Call it in the transaction that
    stores the zone. ``now`` belongs to the interface (`OnZoneChange`) and is not used.
    """
    Canvas.lock_all(app_group)
    old_zone, new_zone = ZoneInfo(former_zone), ZoneInfo(app_group.time_zone)
    for canvas in Canvas.objects.filter(app_group=app_group, next_run_at__isnull=False):
        if canvas.next_run_at is not None:
            parsed = schedule.read(canvas.entry)
            # The local date may be wrong: `schedule.instant` may have moved the run past midnight.
            day = schedule.day_of(canvas.next_run_at, parsed, old_zone)
            local = datetime.combine(day, parsed.at)
            Canvas.objects.filter(pk=canvas.pk).update(
                next_run_at=schedule.instant(local, new_zone)
            )


def next_run(canvas: Canvas, *, now: datetime) -> datetime | None:
    """Return the first run after ``now``; None if the schedule is over."""
    zone = ZoneInfo(canvas.app_group.time_zone)
    return schedule.next_after(schedule.read(canvas.entry), zone, now)
