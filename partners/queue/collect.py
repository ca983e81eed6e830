"""Fills requests from due batches: by lane, same action and id kinds, as full as the partner allows; leases what it took."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, IntegerField, Min, Q, QuerySet, Value, When
from django.db.models.functions import Greatest

from partners import registry
from partners.base import Preset
from partners.models import Action, AdAccount, Batch, Connection, Count, Lane, Outcome
from partners.queue import last_wish, tally

CANDIDATES = 300
STRETCH = 10_000
BULK = 1_000
"""Batches of this many people and more go behind the small ones, or one big segment would delay everybody."""


PAUSED = Q(sync__paused=True, action=Action.ADD, repeat_of=None)
"""Adds of a stopped asker: they wait, and their time stands still. A repeat asks for nothing new."""
NOTHING = Q(pk__in=())
CRASHES_BEFORE_ALONE = 2
WRONG_CLOCK = timedelta(hours=1)


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
    def is_suspect(self) -> bool:
        """Whether it has killed workers, perhaps: nothing else must be under way in the same process."""
        return any(batch.crashes >= CRASHES_BEFORE_ALONE for batch in self.batches)

    def is_last_try(self, *, now: datetime) -> bool:
        """Whether the time of all of it is over."""
        return all(
            batch.deadline_at is not None and batch.deadline_at <= now for batch in self.batches
        )

    @property
    def audience_ids(self) -> set[int]:
        """Our ids of the audiences it touches."""
        return {batch.audience_id for batch in self.batches}


def _turn(last_try: Q) -> Case:
    """Who goes first: the lowest number."""
    return Case(
        When(crashes__gt=0, then=Value(4)),
        When(last_try, then=Value(0)),
        When(n__gte=BULK, then=Value(3)),
        When(repeat_of__isnull=True, then=Value(2)),
        default=Value(1),
        output_field=IntegerField(),
    )


def due(*, now: datetime) -> QuerySet[Batch]:
    """Batches that may be sent now: those whose time is over, repeats, small ones, big ones, and last what has killed a
    worker, perhaps.

    Parked ways are left out, but for the last try at the deadline. What is due later than any back-off was written by a
    wrong clock and is due now.
    """
    last_try = Q(deadline_at__lte=now)
    is_due = Q(due_at__lte=now) | Q(
        due_at__gt=now + timedelta(seconds=settings.SYNC["backoff_max"])
    )
    return (
        Batch.objects.filter(
            is_due,
            state=Outcome.PENDING,
            lease="",
            waits_for=None,
            cancel_requested=False,
            moves_to=None,
        )
        .filter(ad_account__is_chosen=True)
        .exclude(ad_account__connection__token_sealed="")
        .filter(~_parked("ad_account__connection", now) | last_try)
        .filter(~_parked("ad_account", now) | last_try)
        .filter(~_parked("audience", now) | last_try)
        .exclude(PAUSED)
        .annotate(turn=_turn(last_try))
        .order_by("turn", "due_at", "pk")
    )


def blocked_ways(*, now: datetime) -> Q:
    """Batches whose way is barred: no token, ad account disconnected, or something on the way parked."""
    return (
        no_way()
        | _parked("ad_account__connection", now)
        | _parked("ad_account", now)
        | _parked("audience", now)
    )


def no_way() -> Q:
    """Batches that could not even be tried: the token or the ad account is gone."""
    return Q(ad_account__connection__token_sealed="") | Q(ad_account__is_chosen=False)


def _parked(path: str, now: datetime) -> Q:
    """Whether a way is parked. A probe much later than any was put there by a wrong clock."""
    latest = now + timedelta(seconds=settings.SYNC["probe"]) + WRONG_CLOCK
    return Q(**{f"{path}__parked_until__gt": now, f"{path}__parked_until__lte": latest})


def _lease_is_over(now: datetime) -> Q:
    """Its time is up; or it is so far ahead that a wrong clock gave it (other machines' clocks may differ a little)."""
    absurd = now + timedelta(seconds=2 * settings.SYNC["lease"])
    return Q(lease_until__lte=now) | Q(lease_until__gt=absurd)


def lanes(*, now: datetime, but: Q = NOTHING) -> list[str]:
    """The remote advertiser ids with work (``but`` for some batches) that nobody holds, longest waiting first."""
    ready = due(now=now).exclude(but).order_by()
    waiting = (
        ready.values_list("ad_account__remote_id").annotate(first=Min("due_at")).order_by("first")
    )
    held = set(
        Lane.objects.exclude(lease="")
        .exclude(_lease_is_over(now))
        .values_list("remote_id", flat=True)
    )
    return [lane for lane, _ in waiting if lane not in held]


def overdue(lanes: Iterable[str], *, now: datetime) -> set[str]:
    """Those of the lanes in which somebody's time is over."""
    late = due(now=now).filter(deadline_at__lte=now, ad_account__remote_id__in=list(lanes))
    return set(late.order_by().values_list("ad_account__remote_id", flat=True).distinct())


def hold(lane: str, *, lease: str, now: datetime) -> bool:
    """Take a lane for one lease time; whether it was free."""
    until = now + timedelta(seconds=settings.SYNC["lease"])
    Lane.objects.bulk_create([Lane(remote_id=lane)], ignore_conflicts=True)
    free = Q(lease="") | _lease_is_over(now) | Q(lease=lease)
    return bool(Lane.objects.filter(free, remote_id=lane).update(lease=lease, lease_until=until))


def let_go(lease: str) -> None:
    """Give back every lane held under ``lease``."""
    Lane.objects.filter(lease=lease).update(lease="", lease_until=None)


def plan(lane: str, *, most: int, now: datetime, but: Q = NOTHING) -> list[Request]:
    """Compose up to ``most`` requests for a lane, without some batches. Nothing is leased yet."""
    found = (
        due(now=now)
        .exclude(but)
        .filter(ad_account__remote_id=lane)
        .select_related("ad_account__connection", "audience", "sync__app_group")
    )
    free = found.annotate(barrier=last_wish.barrier(last_wish.under_way(lane))).filter(
        seq__lte=F("barrier")
    )
    return _compose(list(free[:CANDIDATES]), most=most)


def _compose(batches: list[Batch], *, most: int) -> list[Request]:
    requests: list[Request] = []
    for batch in batches:
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
    same = (request.ad_account.pk, request.action, request.kinds) == (
        batch.ad_account_id,
        batch.action,
        batch.kinds,
    )
    if (
        not same
        or batch.crashes
        or Batch.Sharing.ALONE in (batch.sharing, request.batches[0].sharing)
    ):
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
    free = Batch.objects.filter(
        pk__in=ids, state=Outcome.PENDING, lease="", cancel_requested=False, moves_to=None
    )
    with transaction.atomic():
        if len(in_order(free)) < len(ids):
            return False
        free.update(lease=request.lease, lease_until=until)
    if last_wish.overtaken(
        request.batches
    ):  # by a wish that was committed before the lease; what comes now waits
        mine = Batch.objects.filter(pk__in=ids, state=Outcome.PENDING, lease=request.lease)
        with tally.gathered(now=now):
            if len(in_order(mine)) < len(ids):
                return False  # it took so long that the lease was over
            last_wish.release(request.batches, now=now)
    return True


def in_order(batches: QuerySet[Batch]) -> list[int]:
    """Lock rows in the order of their ids, inside the caller's transaction, so that nobody waits for each other."""
    return list(batches.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))


def stretches(batches: QuerySet[Batch]) -> Iterator[QuerySet[Batch]]:
    """These batches, not all at once: after an outage there may be more than a statement or the memory takes."""
    last = 0
    while ids := list(
        batches.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:STRETCH]
    ):
        yield batches.filter(pk__in=ids)
        last = ids[-1]


def reclaim(*, now: datetime) -> int:
    """Free batches whose worker died: their lease ran out, and that is counted. Answers how many.

    They may have arrived, so that a discard takes them back. From now on they travel alone and after the others, should
    they be what kills the workers (settle.quarantine).
    """
    with tally.gathered(now=now):
        held = (
            Batch.objects.select_for_update()
            .filter(_lease_is_over(now), state=Outcome.PENDING)
            .exclude(lease="")
        )
        lost = list(held.order_by("pk"))
        if not lost:
            return 0
        last_wish.release(lost, now=now)
        Count.add(Count.LEASE_RECLAIMS, len(lost))
        return Batch.objects.filter(pk__in=[batch.pk for batch in lost]).update(
            lease="",
            lease_until=None,
            attempts=Greatest(F("attempts"), 1),
            crashes=F("crashes") + 1,
            sharing=Batch.Sharing.ALONE,
        )
