"""Compose requests from due batches and lease them.

The batches of a request have the same ad account, action and kinds of identifiers. A lane is the
queue of one remote ad account, which several groups may use: one worker at a time drains it.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F, Min, Q
from django.db.models.functions import Greatest

from audiencesync.core import lease
from partners import registry
from partners.base import Partner, Preset
from partners.models import AdAccount, Batch, Connection, Count, Lane, lane_q
from partners.models.batch_queries import lease_expired
from partners.queue import supersede, tally

CANDIDATES = 300
"""Due batches of a lane that one plan reads."""
NO_BATCHES = Q(pk__in=())
CRASHES_BEFORE_ALONE = 2
"""Crashes of its workers after which a batch is sent while nothing else is in flight."""


@dataclass(slots=True)
class Request:
    """Batches that are sent together: one ad account, one action, the same kinds of identifiers."""

    ad_account: AdAccount
    batches: list[Batch] = field(default_factory=list)
    lease: str = field(default_factory=lambda: secrets.token_hex(16))
    n_people: int = 0

    @property
    def action(self) -> str:
        return self.batches[0].action

    @property
    def kinds(self) -> list[str]:
        return self.batches[0].kinds

    @property
    def connection(self) -> Connection:
        return self.ad_account.connection

    @property
    def audience_ids(self) -> set[int]:
        """Return our ids of the audiences in this request."""
        return {batch.audience_id for batch in self.batches}

    @property
    def is_probe(self) -> bool:
        """Return whether it tries a parked connection, ad account or audience again.

        A lane sends one such request at a time.
        """
        places = (self.connection, self.ad_account, *(batch.audience for batch in self.batches))
        return any(place.parked_by for place in places)

    @property
    def is_suspect(self) -> bool:
        """Return whether it may crash its worker, because a batch of it has crashed several."""
        return any(batch.crashes >= CRASHES_BEFORE_ALONE for batch in self.batches)

    def is_last_try(self, *, now: datetime) -> bool:
        """Return whether the deadlines of all its batches have passed."""
        return all(
            batch.deadline_at is not None and batch.deadline_at <= now for batch in self.batches
        )


def free_lanes(*, now: datetime, skip: Q = NO_BATCHES) -> list[str]:
    """Return the unleased lanes with due batches (except those of ``skip``), longest due first."""
    due = Batch.objects.due(now).exclude(skip).order_by()
    ad_accounts = (
        due.values_list("ad_account__connection__partner", "ad_account__remote_id")
        .annotate(first=Min("due_at"))
        .order_by("first")
    )
    leased = set(
        Lane.objects.exclude(lease="").exclude(lease_expired(now)).values_list("key", flat=True)
    )
    lanes = (f"{partner}:{remote_id}" for partner, remote_id, _ in ad_accounts)
    return [lane for lane in lanes if lane not in leased]


def lanes_with_last_try(lanes: Iterable[str], *, now: datetime) -> set[str]:
    """Return the lanes that have a batch at its deadline: it is due for a last try."""
    late = Batch.objects.due(now).filter(deadline_at__lte=now).order_by()
    return {lane for lane in lanes if late.filter(lane_q(lane, "ad_account__")).exists()}


def lease_lane(lane: str, *, lease: str, now: datetime) -> bool:
    """Lease a lane, or renew our lease of it. Return False if another worker has it."""
    Lane.objects.bulk_create([Lane(key=lane)], ignore_conflicts=True)
    free = Lane.objects.filter(Q(lease="") | lease_expired(now) | Q(lease=lease), key=lane)
    return bool(free.update(lease=lease, lease_until=_lease_end(now)))


def release_lanes(lease: str) -> None:
    """Give back every lane that is leased under this id."""
    Lane.objects.filter(lease=lease).update(lease="", lease_until=None)


def plan(lane: str, *, most: int, now: datetime, skip: Q = NO_BATCHES) -> list[Request]:
    """Compose up to ``most`` requests of a lane, without batches that ``skip`` matches.

    Nothing is leased.
    """
    due = (
        Batch.objects.due(now)
        .exclude(skip)
        .filter(lane_q(lane, "ad_account__"))
        .select_related("ad_account__connection", "audience", "sync__app_group")
    )
    # A batch waits for the answer to earlier, opposite batches that are in flight.
    in_order = due.annotate(barrier=supersede.barrier(supersede.oldest_in_flight(lane))).filter(
        seq__lte=F("barrier")
    )
    return _compose(list(in_order[:CANDIDATES]), most=most)


def _compose(batches: list[Batch], *, most: int) -> list[Request]:
    requests: list[Request] = []
    for batch in batches:
        request = next((request for request in requests if _fits(request, batch)), None)
        if request is None:
            # A probe is the last request: its answer decides whether others can be sent.
            if len(requests) == most or any(request.is_probe for request in requests):
                continue
            request = Request(batch.ad_account)
            requests.append(request)
        request.batches.append(batch)
        request.n_people += batch.n
    return requests


def _fits(request: Request, batch: Batch) -> bool:
    """Return whether ``batch`` may join ``request``."""
    is_alike = (request.ad_account.pk, request.action, request.kinds) == (
        batch.ad_account_id,
        batch.action,
        batch.kinds,
    )
    sharing = {batch.sharing, *(other.sharing for other in request.batches)}
    if not is_alike or batch.crashes or Batch.Sharing.ALONE in sharing:
        return False
    audiences = request.audience_ids | {batch.audience_id}
    preset = preset_of(request.ad_account)
    most_audiences = 1 if Batch.Sharing.AUDIENCE in sharing else preset.audiences_per_request
    if len(audiences) > most_audiences:
        return False
    return request.n_people + batch.n <= max_people(preset, request.ad_account, len(batch.kinds))


def preset_of(ad_account: AdAccount) -> Preset:
    """Return the limits of the partner of an ad account."""
    return partner_of(ad_account).preset


def partner_of(ad_account: AdAccount) -> Partner:
    """Return the partner of an ad account."""
    return registry.get(ad_account.connection.partner)


def max_people(preset: Preset, ad_account: AdAccount, n_kinds: int) -> int:
    """Return how many people one request to this ad account may carry."""
    limits = [
        preset.people_per_request,
        preset.ids_per_request // n_kinds if preset.ids_per_request else None,
        ad_account.learned_cap,
    ]
    return max(1, min(limit for limit in limits if limit is not None))


def lease_batches(request: Request, *, now: datetime) -> bool:
    """Lease the batches of a request: all of them, or none if one can no longer be sent."""
    ids = [batch.pk for batch in request.batches]
    sendable = Batch.objects.sendable().not_in_swap().filter(pk__in=ids)
    with transaction.atomic():
        if len(sendable.lock_ids()) < len(ids):
            return False
        # Filter by id alone: with `not_in_swap`, a swap that begins now would hide the locked
        # batches.
        locked = Batch.objects.filter(pk__in=ids)
        locked.update(lease=request.lease, lease_until=_lease_end(now))
    # An opposite operation that was committed before the lease supersedes these batches now. A
    # later one sees the lease and waits.
    if supersede.maybe_superseded(request.batches):
        leased = Batch.objects.leased_to(request.lease).filter(pk__in=ids)
        with tally.atomic(now=now):
            if len(leased.lock_ids()) < len(ids):
                return False  # the lease ended meanwhile
            supersede.cancel_superseded(request.batches, now=now)
    return True


def reclaim(*, now: datetime) -> int:
    """Free the batches of dead workers, whose leases have ended. Return how many."""
    with tally.atomic(now=now):
        abandoned = list(Batch.objects.abandoned(now).for_update())
        if not abandoned:
            return 0
        supersede.cancel_superseded(abandoned, now=now)
        Count.add(Count.LEASE_RECLAIMS, len(abandoned))
        return Batch.objects.filter(pk__in=[batch.pk for batch in abandoned]).update(
            lease="",
            lease_until=None,
            # These batches may have reached the partner, so a discard must compensate them.
            attempts=Greatest(F("attempts"), 1),
            # These batches may have killed the worker: from now on each is sent alone, and may be
            # quarantined (transitions.quarantine_crashing).
            crashes=F("crashes") + 1,
            sharing=Batch.Sharing.ALONE,
        )


def _lease_end(now: datetime) -> datetime:
    return lease.until(now, seconds=settings.SYNC.lease)
