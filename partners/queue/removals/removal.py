"""Remove people from every audience they may be in, and report the state of the removals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet

from audiencesync.core.beat import wake
from partners.models import Action, Audience, Batch, Delivery, Outcome, Reason, Sync
from partners.models.connections import ParkedBy
from partners.queue import collect, enqueue, flush, outcomes, tally

# A partner may take 48 hours for anything about an audience.
SURELY_GONE = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class RemovalState:
    """The state of all removals with one entry key, in all audiences."""

    is_open: bool  # a removal, or a repeat of one, has not ended
    settled_at: datetime | None  # when the last of them ended


def cancel_adds(profile_ids: Sequence[int], reason: Reason, *, now: datetime) -> None:
    """Cancel the unsent adds of these profiles. A later removal waits for adds in flight."""
    members = Delivery.objects.filter(profile__in=profile_ids, outcome=None)
    _cancel_unsent(members.filter(batch__action=Action.ADD), reason, now=now)


def _cancel_unsent(deliveries: QuerySet[Delivery], reason: Reason, *, now: datetime) -> None:
    """Cancel those deliveries whose batch no worker has leased, under the locks of the batches."""
    unsent = Batch.objects.waiting().filter(pk__in=deliveries.values("batch"))
    with tally.atomic(now=now):
        # Look again until there are none: people may have moved to a new batch meanwhile.
        while batch_ids := unsent.lock_ids():
            outcomes.cancel(deliveries.filter(batch__in=batch_ids), reason, now=now)


def audiences_of(profile_ids: Sequence[int], *, kind: str = "") -> dict[int, set[int]]:
    """Return audience id -> the profiles that may be in it, because they had an add once.

    ``kind``: only adds that sent this kind of identifier.
    """
    adds = Delivery.objects.filter(profile__in=profile_ids, batch__action=Action.ADD)
    by_audience: dict[int, set[int]] = {}
    for audience, profile, kinds in adds.values_list(
        "batch__audience", "profile", "batch__kinds"
    ).distinct():
        if not kind or kind in kinds:
            by_audience.setdefault(audience, set()).add(profile)
    return by_audience


def remove(
    audience_id: int, purpose: str, people: QuerySet[Any, tuple[int, int]], *, now: datetime
) -> int:
    """Queue the removal of people with every hash they have or had. Return how many.

    ``people`` is ``values_list(<entry key>, "profile_id")``.
    """
    with transaction.atomic():
        n_entered = enqueue.enqueue(_get_or_create_sync(audience_id, purpose), people, now=now)
    if n_entered:
        wake(flush.TASK)
    return n_entered


def _get_or_create_sync(audience_id: int, purpose: str) -> Sync:
    """Return the Sync of this purpose; there is one per audience."""
    audience = Audience.objects.select_related("ad_account__connection").get(pk=audience_id)
    values = {
        "app_group_id": audience.ad_account.connection.app_group_id,
        "action": Action.REMOVE,
        "kinds": list(collect.partner_of(audience.ad_account).kinds),
        "label": f"{Sync.Purpose(purpose).label}: {audience.name}"[:200],
    }
    sync, _is_new = Sync.objects.get_or_create(audience=audience, purpose=purpose, defaults=values)
    return Sync.objects.select_related("audience__ad_account__connection").get(pk=sync.pk)


def states(purpose: str, entry_keys: Sequence[int]) -> dict[int, RemovalState]:
    """Return entry key -> the state of its removals; keys without a removal are left out."""
    repeats = Batch.objects.pending().filter(repeat_of=OuterRef("batch"))
    is_open = Q(outcome=None, batch__state=Outcome.PENDING) | Q(Exists(repeats))
    rows = (
        Delivery.objects.filter(sync__purpose=purpose, entry_key__in=entry_keys)
        .order_by()
        .values_list("entry_key")
    )
    totals = rows.annotate(n_open=Count("pk", filter=is_open), last=Max("batch__settled_at"))
    return {key: RemovalState(n_open > 0, last) for key, n_open, last in totals}


def answers(purpose: str, entry_keys: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Return entry key -> one dict per removal: audience, ad account, state, reason and time."""
    rows = Delivery.objects.filter(sync__purpose=purpose, entry_key__in=entry_keys)
    by_key: dict[int, list[dict[str, Any]]] = {key: [] for key in entry_keys}
    for row in rows.select_related("sync__audience__ad_account", "batch").order_by("pk"):
        by_key[row.entry_key].append(_answer(row))
    return by_key


def _answer(row: Delivery) -> dict[str, Any]:
    audience, batch = row.sync.audience, row.batch
    is_gone = audience.gone_at is not None or audience.parked_by == ParkedBy.AUDIENCE_GONE
    return {
        "audience": audience.name,
        "audience_id": audience.remote_id,
        "ad_account": audience.ad_account.name,
        "ad_account_id": audience.ad_account.remote_id,
        "is_gone": is_gone,
        "state": str(row.status),
        "reason": row.why,
        "settled_at": batch.settled_at.isoformat() if batch and batch.settled_at else None,
    }


def give_up(purpose: str, entry_keys: Sequence[int], *, now: datetime) -> None:
    """Cancel removals from audiences that the partner has deleted.

    An audience may only seem deleted, after a list that missed it or one odd answer. So a removal
    is cancelled only if the partner has refused it for that reason for days (SURELY_GONE).
    """
    removals = Delivery.objects.filter(
        sync__purpose=purpose, entry_key__in=entry_keys, outcome=None
    )
    long_enough = F("sync__audience__gone_at") + SURELY_GONE
    refused = removals.filter(
        sync__audience__parked_by=ParkedBy.AUDIENCE_GONE,
        sync__audience__parked_until__gte=long_enough,  # each refusal extends parked_until
        batch__last_code=F("sync__audience__parked_code"),
    )
    _cancel_unsent(refused.exclude(batch__last_code=""), Reason.ERASED, now=now)
