"""Send operations again where a late request or a discard left the audience wrong.

A worker that lost its lease may still send its request, after later operations on the same people.
A repeat is a batch without deliveries of its own that sends the deliveries of another batch again,
or takes them back. The tallies do not count repeats.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from partners.models import Action, Batch, Delivery, Outcome


def repair_late_push(sent: Iterable[Batch], *, now: datetime) -> int:
    """Repeat the later, opposite operations after a worker sent these batches too late.

    Only operations that may have reached the partner before the late request are repeated: all
    others are sent after it anyway. Adds of these batches that were discarded are taken back.
    Return how many repeats are queued.
    """
    late = list(sent)
    repeats = [
        _repeat(later, action=later.action, now=now)
        for batch in late
        for later in _sent_before(batch).distinct()
    ]
    with transaction.atomic():
        Batch.objects.bulk_create(sorted(repeats, key=_repeated_id))
        return len(repeats) + take_back(_discarded(late), now=now)


def take_back(discarded: Iterable[Batch], *, now: datetime) -> int:
    """Queue the removal of people whose add was discarded and may have arrived.

    People with another add to the audience stay (push.py). Return how many repeats are queued.
    """
    adds = [batch for batch in discarded if batch.action == Action.ADD and batch.n]
    repeats = [_repeat(batch, action=Action.REMOVE, now=now) for batch in adds]
    Batch.objects.bulk_create(sorted(repeats, key=_repeated_id))
    return len(adds)


def _sent_before(batch: Batch) -> QuerySet[Batch]:
    """Return later, opposite batches that may have arrived and share people with ``batch``."""
    later = Batch.objects.filter(
        Q(state=Outcome.SYNCED) | ~Q(lease=""),
        audience=batch.audience_id,
        action=Action(batch.action).opposite,
        seq__gt=batch.seq,
        repeat_of=None,
    )
    people = _people_of(batch)
    is_same_person = Q(deliveries__profile__in=people)
    # An anonymous profile may have been merged into a known one since.
    is_same_person |= Q(deliveries__profile__in=people.values("profile__merged_into"))
    # The removal of a misread address has a profile of its own, merged into the person's.
    is_same_person |= Q(deliveries__profile__merged_into__in=people)
    return later.filter(is_same_person)


def _people_of(batch: Batch) -> "QuerySet[Delivery, Any]":
    """Return the profiles that were in a batch when it was sent, and perhaps others of its Sync.

    The batch may have been split since: its pieces have the same seq. A person who was errored and
    tried again is in a batch with a larger seq.
    """
    if batch.repeat_of_id:
        return Delivery.objects.filter(batch=batch.repeat_of_id).values("profile")
    return Delivery.objects.filter(batch__sync=batch.sync_id, batch__seq__gte=batch.seq).values(
        "profile"
    )


def _discarded(late: Iterable[Batch]) -> Iterator[Batch]:
    """Yield those of these batches and their pieces that were discarded and have ended."""
    ended = Batch.objects.settled().filter(cancel_requested=True, repeat_of=None)
    for batch in late:
        if batch.repeat_of_id is None:
            yield from ended.filter(sync=batch.sync_id, seq=batch.seq)


def _repeated_id(repeat: Batch) -> int:
    # The foreign key of an inserted repeat locks the repeated batch, and every transaction locks
    # batches in the order of their ids.
    return repeat.repeat_of_id or 0


def _repeat(batch: Batch, *, action: str, now: datetime) -> Batch:
    return Batch(
        sync_id=batch.sync_id,
        audience_id=batch.audience_id,
        ad_account_id=batch.ad_account_id,
        action=action,
        kinds=batch.kinds,
        seq=batch.seq,
        sharing=Batch.Sharing.ALONE,
        repeat_of=batch,
        created_at=now,
        due_at=now,
    )
