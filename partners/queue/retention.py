"""Delete old deliveries, batches, requests, incidents, checks, sizes and numbers by time.

The counts stay as they are.

Per person, audience and action, the newest delivery and the newest synced one are kept as long as
the audience exists: they show from where a person must be removed. Adds by which a Sync claims a
person (Sync.claims) are kept by the same rule per Sync. The delivery that reverts an add is kept
as long as the add. All others are deleted, and counted in the base of their tally.
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
"""Rows of TallyHour this new are always kept, for thresholds and the numbers of a local day."""
SECONDS_PER_CALL = 0.3  # the longest time of one call for deliveries
# In these states, the last code of the batch is the reason of its deliveries.
STATES_WITH_CODE = (Outcome.ERRORED, Outcome.CANCELLED)


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
    last_id = _last_id_before(before)
    if last_id:
        rows = Delivery.objects.filter(pk__lte=last_id)
        retention.walk_in_chunks(
            "deliveries",
            rows,
            partial(_drop_deliveries, before=before),
            now=now,
            seconds=SECONDS_PER_CALL,
        )


def _last_id_before(before: datetime) -> int:
    """Return the highest delivery id of the newest batch settled before a time, or 0.

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


def _drop_deliveries(ids: Sequence[int], *, before: datetime) -> None:
    """Delete deliveries among ``ids`` that are not needed; correct their batches and tallies."""
    rows = Delivery.objects.filter(pk__in=ids)
    settled = Batch.objects.filter(
        pk__in=set(rows.exclude(batch=None).values_list("batch", flat=True))
    )
    settled = settled.filter(settled_at__lt=before, lease="").settled()
    pending_repeats = Batch.objects.pending().filter(repeat_of=OuterRef("pk"))
    # A retry of errored people waits for these locks.
    ended_ids = settled.exclude(Exists(pending_repeats)).lock_ids()
    unneeded_ids = list(_unneeded(rows, ended_ids).values_list("pk", flat=True))
    if not unneeded_ids:
        return
    unneeded = Delivery.objects.filter(pk__in=unneeded_ids)
    members = unneeded.filter(outcome=None).values_list("batch").annotate(n=Count("pk"))
    for batch, n in list(members.order_by("batch")):
        Batch.objects.filter(pk=batch).update(n=F("n") - n)
    _add_to_base(unneeded)
    unneeded.delete()


def _unneeded(rows: QuerySet[Delivery], ended_ids: list[int]) -> QuerySet[Delivery]:
    """Return rows that no longer show where a person is, of ended batches or without a batch."""
    # Settled deliveries of the outer row's person, with the same audience and action.
    same = Delivery.objects.filter(
        profile=OuterRef("profile"),
        batch__audience=OuterRef("batch__audience"),
        batch__action=OuterRef("batch__action"),
    ).exclude(batch__state=Outcome.PENDING)
    later = Q(batch__seq__gt=OuterRef("batch__seq")) | Q(
        batch__seq=OuterRef("batch__seq"), pk__gt=OuterRef("pk")
    )
    is_synced = Q(outcome=None, batch__state=Outcome.SYNCED)
    person = Profile.everybody.filter(pk=OuterRef("profile"))
    void = Q(outcome__in=supersede.VOID) | Q(batch__state=Outcome.CANCELLED)
    claims = Q(batch__action=Action.ADD, sync__claims=True) & ~void & ~Q(supersede.reverted_q())
    same_sync = same.filter(sync=OuterRef("sync"))
    shows_nothing = (
        (~claims & _followed_q(same, later, is_synced))
        | (claims & _followed_q(same_sync, later, is_synced))
        | ~Exists(person)
    )
    unneeded = Q(batch__in=ended_ids) & shows_nothing | Q(batch=None, outcome__isnull=False)
    reverted_add = Delivery.objects.filter(sync=OuterRef("sync__undoes"), pk=OuterRef("entry_key"))
    # An erasure in progress still reads the deliveries of its profile.
    needed = Exists(person.filter(erased_at__isnull=False)) | Exists(reverted_add)
    return rows.filter(unneeded).exclude(needed)


def _followed_q(same: QuerySet[Delivery], later: Q, is_synced: Q) -> Q:
    """Match deliveries that a later one in ``same`` follows; for synced ones, a synced one."""
    return Q(Exists(same.filter(later, is_synced))) | (~is_synced & Q(Exists(same.filter(later))))


def _add_to_base(deliveries: QuerySet[Delivery]) -> None:
    """Count these deliveries in the bases of their tallies: outcome -> reason or code -> people."""
    counts: dict[int, list[tuple[str, str, int]]] = {}
    states = deliveries.annotate(state=Coalesce("outcome", "batch__state"))
    for sync, own_outcome, state, reason, code, n in (
        states.values_list("sync", "outcome", "state", "reason", "batch__last_code")
        .annotate(n=Count("pk"))
        .order_by()
    ):
        # Without an outcome of its own, a delivery has the state and code of its batch.
        why = reason if own_outcome else code if state in STATES_WITH_CODE else ""
        counts.setdefault(sync, []).append((state, why or "", n))
    for tally in Tally.objects.select_for_update().filter(pk__in=counts).order_by("pk"):
        for state, why, n in counts[tally.pk]:
            by_reason = tally.base.setdefault(state, {})
            by_reason[why] = by_reason.get(why, 0) + n
        tally.save(update_fields=["base"])


def _drop_batches(ids: Sequence[int], *, before: datetime) -> None:
    """Delete settled batches without deliveries. Their repeats are deleted with them."""
    members = Delivery.objects.filter(batch=OuterRef("pk"))
    needed_repeats = Batch.objects.filter(repeat_of=OuterRef("pk")).filter(
        Q(state=Outcome.PENDING) | Q(settled_at__gte=before)
    )
    empty = Batch.objects.filter(
        ~Exists(members), ~Exists(needed_repeats), pk__in=ids, settled_at__lt=before, lease=""
    )
    Batch.objects.filter(pk__in=empty.settled().lock_ids()).delete()
