"""Delete old deliveries, batches, calls, incidents, checks, sizes and numbers by time.

The counts stay as they are.

Of each person, audience and action, the newest delivery and the newest synced one are kept as
long as the audience exists: they show from where a person must be removed. Of an add by which a
Sync claims a person, the same holds for each Sync, and the delivery that reverts it stays as long
as the add. All others move into the base of their tally.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from audiencesync.groups import retention
from audiencesync.people.models import Profile
from partners.models import (
    Action,
    AudienceSize,
    Batch,
    CheckAnswer,
    Delivery,
    Incident,
    Outcome,
    Push,
    Tally,
    TallyDay,
    TallyHour,
)
from partners.queue import supersede

HOURS_IN_USE = timedelta(days=3)
"""How far back incidents (incidents/thresholds.py) and the day of each time zone look."""
SHARE = 0.3  # seconds of one call
# In these states, the last code of the batch is the reason.
WITH_CODE = (Outcome.ERRORED, Outcome.CANCELLED)


def purge(*, now: datetime) -> None:
    """Delete a bounded part of what is too old."""
    if before := retention.cutoff("deliveries", now=now):
        _purge_deliveries(before, now=now)
        settled = Batch.objects.filter(settled_at__lt=before)
        retention.walk_in_chunks("batches", settled, partial(_drop_batches, before=before), now=now)
    if before := retention.cutoff("pushes", now=now):
        retention.delete_in_chunks(Push.objects.filter(at__lt=before).order_by("at"))
    if before := retention.cutoff("incidents", now=now):
        retention.delete_in_chunks(
            Incident.objects.filter(ended_at__lt=before).order_by("ended_at")
        )
    if before := retention.cutoff("audience_sizes", now=now):
        old = AudienceSize.objects.filter(day__lt=before.date())
        drop = partial(retention.delete_rows, old)
        retention.walk_in_chunks("audience_sizes", AudienceSize.objects.all(), drop, now=now)
    if before := retention.cutoff("step_hours", now=now):
        before = min(before, now - HOURS_IN_USE)
        retention.delete_in_chunks(TallyHour.objects.filter(hour__lt=before).order_by("hour"))
        drop = partial(retention.delete_rows, TallyDay.objects.filter(day__lt=before.date()))
        retention.walk_in_chunks("tally_days", TallyDay.objects.all(), drop, now=now)
    if before := retention.cutoff("checks", now=now):
        retention.delete_in_chunks(CheckAnswer.objects.filter(at__lt=before).order_by("at"))


def _purge_deliveries(before: datetime, *, now: datetime) -> None:
    last = _last_before(before)
    if last:
        rows = Delivery.objects.filter(pk__lte=last)
        retention.walk_in_chunks(
            "deliveries", rows, partial(_drop, before=before), now=now, seconds=SHARE
        )


def _last_before(before: datetime) -> int:
    """Return the highest delivery id of the newest batch that was settled by then.

    Deliveries with larger ids are not old enough.
    """
    members = Delivery.objects.filter(batch=OuterRef("pk"))
    settled = Batch.objects.filter(Exists(members), settled_at__lt=before).order_by("-settled_at")
    newest = settled.values_list("pk", flat=True).first()
    return (
        Delivery.objects.filter(batch=newest).aggregate(last=Max("pk"))["last"] or 0
        if newest
        else 0
    )


def _drop(ids: Sequence[int], *, before: datetime) -> None:
    """Delete those of these deliveries that are not needed, and correct batch and tally."""
    rows = Delivery.objects.filter(pk__in=ids)
    settled = Batch.objects.filter(
        pk__in=set(rows.exclude(batch=None).values_list("batch", flat=True))
    )
    settled = settled.filter(settled_at__lt=before, lease="").settled()
    busy = Batch.objects.pending().filter(repeat_of=OuterRef("pk"))
    # A retry of errored people waits for these locks.
    ended = settled.exclude(Exists(busy)).lock()
    chosen = list(_unneeded(rows, ended).values_list("pk", flat=True))
    if not chosen:
        return
    going = Delivery.objects.filter(pk__in=chosen)
    members = (
        going.filter(outcome=None).values_list("batch").annotate(n=Count("pk")).order_by("batch")
    )
    for batch, n in list(members):
        Batch.objects.filter(pk=batch).update(n=F("n") - n)
    _keep_counts(going)
    going.delete()


def _unneeded(rows: QuerySet[Delivery], ended: list[int]) -> QuerySet[Delivery]:
    """Return rows, of ended batches or of none, that no longer show where a person is."""
    same = Delivery.objects.filter(
        profile=OuterRef("profile"),
        batch__audience=OuterRef("batch__audience"),
        batch__action=OuterRef("batch__action"),
    ).exclude(batch__state=Outcome.PENDING)
    later = Q(batch__seq__gt=OuterRef("batch__seq")) | Q(
        batch__seq=OuterRef("batch__seq"), pk__gt=OuterRef("pk")
    )
    synced = Q(outcome=None, batch__state=Outcome.SYNCED)
    person = Profile.everybody.filter(pk=OuterRef("profile"))
    void = Q(outcome__in=supersede.VOID) | Q(batch__state=Outcome.CANCELLED)
    claim = Q(batch__action=Action.ADD, sync__claims=True) & ~void & ~Q(supersede.reverted())
    by_itself = same.filter(sync=OuterRef("sync"))
    followed = (
        (~claim & _followed(same, later, synced))
        | (claim & _followed(by_itself, later, synced))
        | ~Exists(person)
    )
    over = Q(batch__in=ended) & followed | Q(batch=None, outcome__isnull=False)
    reverted_add = Delivery.objects.filter(sync=OuterRef("sync__undoes"), pk=OuterRef("entry_key"))
    needed = Exists(person.filter(erased_at__isnull=False)) | Exists(reverted_add)
    return rows.filter(over).exclude(needed)


def _followed(same: QuerySet[Delivery], later: Q, synced: Q) -> Q:
    """Match deliveries with a later one of the same kind that was synced, or as little."""
    return Q(Exists(same.filter(later, synced))) | (~synced & Q(Exists(same.filter(later))))


def _keep_counts(going: QuerySet[Delivery]) -> None:
    """Add these deliveries to the bases of their tallies: outcome -> reason or code -> people."""
    counted: dict[int, list[tuple[str, str, int]]] = {}
    states = going.annotate(state=Coalesce("outcome", "batch__state"))
    for sync, own, state, reason, code, n in (
        states.values_list("sync", "outcome", "state", "reason", "batch__last_code")
        .annotate(n=Count("pk"))
        .order_by()
    ):
        why = (reason if own else code if state in WITH_CODE else "") or ""
        counted.setdefault(sync, []).append((state, why, n))
    for tally in Tally.objects.select_for_update().filter(pk__in=counted).order_by("pk"):
        for state, why, n in counted[tally.pk]:
            by_reason = tally.base.setdefault(state, {})
            by_reason[why] = by_reason.get(why, 0) + n
        tally.save(update_fields=["base"])


def _drop_batches(ids: Sequence[int], *, before: datetime) -> None:
    """Delete settled batches without deliveries. Their repeats are deleted with them."""
    members = Delivery.objects.filter(batch=OuterRef("pk"))
    busy = Batch.objects.filter(repeat_of=OuterRef("pk")).filter(
        Q(state=Outcome.PENDING) | Q(settled_at__gte=before)
    )
    empty = Batch.objects.filter(
        ~Exists(members), ~Exists(busy), pk__in=ids, settled_at__lt=before, lease=""
    )
    Batch.objects.filter(pk__in=empty.settled().lock()).delete()
