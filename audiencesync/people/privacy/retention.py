"""Delete events after their retention period."""

from datetime import datetime
from functools import partial

from audiencesync.groups import retention
from audiencesync.people.models import Event


def purge(*, now: datetime) -> None:
    if cutoff := retention.cutoff("events", now=now):
        # Profiles are not marked as changed: the next sweep of a live segment with a condition on
        # events notices the deletion.
        expired_events = Event.objects.filter(at__lt=cutoff)
        retention.walk_in_chunks(
            "events", Event.objects.all(), partial(retention.delete_rows, expired_events), now=now
        )
