"""Fills requests from due batches: by lane, same action and id kinds, as full as the partner allows; leases what it took."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, IntegerField, Min, Q, QuerySet, Value, When

from partners import ordering, registry, tally
from partners.base import Preset
from partners.models import Action, AdAccount, Batch, Connection, Count, Lane, Outcome

CANDIDATES = 300
BULK = 1_000
"""Batches of this many people and more go behind the small ones, or one big segment would delay everybody."""


@dataclass(slots=True)
class Request:
    """Batches that travel together: one ad account, one action, the same kinds of identifiers."""

    ad_account: AdAccount
    batches: list[Batch] = field(default_factory=list)
    lease: str = field(default_factory=lambda: secrets.token_hex(16))
    people: int = 0

    @property
    def action(self) -> str:
        """Add or remove."""
        return self.batches[0].action

    @property
    def kinds(self) -> list[str]:
        """The columns of the request."""
        return self.batches[0].kinds

    @property
    def connection(self) -> Connection:
        """Whose token sends it."""
        return self.ad_account.connection

    @property
    def is_probe(self) -> bool:
        """Whether something on its way was parked: it must be the only one under way there."""
        ways = (self.connection, self.ad_account, *(batch.audience for batch in self.batches))
        return any(way.parked_by for way in ways)

    @property
    def audience_ids(self) -> set[int]:
        """Our ids of the audiences it touches."""
        return {batch.audience_id for batch in self.batches}


def due(*, now: datetime) -> QuerySet[Batch]:
    """Batches that may be sent now, small ones first. Parked ways are left out, but for the last try at the deadline."""
    last_try = Q(deadline_at__lte=now)
    return (
        Batch.objects.filter(state=Outcome.PENDING, due_at__lte=now, lease="", waits_for=None, cancel_requested=False)
        .filter(ad_account__is_chosen=True)
        .exclude(ad_account__connection__token_sealed="")
        .filter(~_parked("ad_account__connection", now) | last_try)
        .filter(~_parked("ad_account", now) | last_try)
        .filter(~_parked("audience", now) | last_try)
        .filter(Q(sync__paused=False) | Q(action=Action.REMOVE))
        .annotate(bulk=Case(When(n__gte=BULK, then=Value(1)), default=Value(0), output_field=IntegerField()))
        .order_by("bulk", "due_at", "pk")
    )


def blocked_ways(*, now: datetime) -> Q:
    """Batches whose way is barred: no token, ad account disconnected, or something on the way parked."""
    return no_way() | _parked("ad_account__connection", now) | _parked("ad_account", now) | _parked("audience", now)


def no_way() -> Q:
    """Batches that could not even be tried: the token or the ad account is gone."""
    return Q(ad_account__connection__token_sealed="") | Q(ad_account__is_chosen=False)


def _parked(path: str, now: datetime) -> Q:
    return Q(**{f"{path}__parked_until__gt": now})


def lanes(*, now: datetime) -> list[str]:
    """The remote advertiser ids with work that nobody holds, longest waiting first."""
    waiting = (
        due(now=now).order_by().values_list("ad_account__remote_id").annotate(first=Min("due_at")).order_by("first")
    )
    held = set(Lane.objects.filter(lease_until__gt=now).values_list("remote_id", flat=True))
    return [lane for lane, _ in waiting if lane not in held]


def hold(lane: str, *, lease: str, now: datetime) -> bool:
    """Take a lane for one lease time; whether it was free."""
    until = now + timedelta(seconds=settings.SYNC["lease"])
    Lane.objects.bulk_create([Lane(remote_id=lane)], ignore_conflicts=True)
    free = Q(lease="") | Q(lease_until__lte=now) | Q(lease=lease)
    return bool(Lane.objects.filter(free, remote_id=lane).update(lease=lease, lease_until=until))


def let_go(lease: str) -> None:
    """Give back every lane held under ``lease``."""
    Lane.objects.filter(lease=lease).update(lease="", lease_until=None)


def plan(lane: str, *, most: int, now: datetime) -> list[Request]:
    """Compose up to ``most`` requests for a lane. Nothing is leased yet."""
    found = due(now=now).filter(ad_account__remote_id=lane)
    batches = list(found.select_related("ad_account__connection", "audience")[:CANDIDATES])
    waiting = ordering.blocked(batches) if batches else set()
    requests: list[Request] = []
    for batch in batches:
        if batch.pk in waiting:
            continue
        home = next((request for request in requests if _fits(request, batch)), None)
        if home is None:
            if len(requests) == most or any(request.is_probe for request in requests):
                continue
            home = Request(batch.ad_account)
            requests.append(home)
        home.batches.append(batch)
        home.people += batch.n
    return requests


def _fits(request: Request, batch: Batch) -> bool:
    """Whether ``batch`` may still join ``request``."""
    same = (request.ad_account.pk, request.action, request.kinds) == (batch.ad_account_id, batch.action, batch.kinds)
    if not same or Batch.Sharing.ALONE in (batch.sharing, request.batches[0].sharing):
        return False
    audiences = request.audience_ids | {batch.audience_id}
    alone = Batch.Sharing.AUDIENCE in (batch.sharing, request.batches[0].sharing)
    preset = preset_of(request.ad_account)
    if len(audiences) > (1 if alone else preset.audiences_per_request):
        return False
    return request.people + batch.n <= most_people(preset, request.ad_account, len(batch.kinds))


def preset_of(ad_account: AdAccount) -> Preset:
    """The limits of the partner behind an ad account."""
    return registry.get(ad_account.connection.partner).presets[settings.TIKTOK_PRESET]


def most_people(preset: Preset, ad_account: AdAccount, n_kinds: int) -> int:
    """How many people one request to this ad account may carry."""
    limits = [
        preset.people_per_request,
        preset.ids_per_request // n_kinds if preset.ids_per_request else None,
        ad_account.learned_cap,
    ]
    return max(1, min(limit for limit in limits if limit is not None))


def take(request: Request, *, now: datetime) -> bool:
    """Lease the request's batches. Whether all are ours: somebody may have cancelled one meanwhile."""
    until = now + timedelta(seconds=settings.SYNC["lease"])
    ids = [batch.pk for batch in request.batches]
    free = Batch.objects.filter(pk__in=ids, state=Outcome.PENDING, lease="", cancel_requested=False)
    if free.update(lease=request.lease, lease_until=until) == len(ids):
        with tally.gathered(now=now):
            ordering.release(request.batches, now=now)  # a wish committed since the lease before; what comes now waits
        return True
    Batch.objects.filter(lease=request.lease).update(lease="", lease_until=None)
    return False


def reclaim(*, now: datetime) -> int:
    """Free batches whose worker died: their lease ran out. Answers how many."""
    with tally.gathered(now=now):
        lost = list(
            Batch.objects.select_for_update().filter(state=Outcome.PENDING, lease_until__lte=now).exclude(lease="")
        )
        if not lost:
            return 0
        ordering.release(lost, now=now)
        Count.add(Count.LEASE_RECLAIMS, len(lost))
        return Batch.objects.filter(pk__in=[batch.pk for batch in lost]).update(lease="", lease_until=None)
