"""When the people who wait in a Sync will be sent: from the requests they need, and the pace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Avg, Count, Exists, Max, Min, OuterRef, Q, QuerySet, Sum
from django.utils.formats import number_format
from django.utils.translation import ngettext

from partners import risks
from partners.models import AdAccount, Batch, Push, Sync, lane_q
from partners.queue import budget, collect

LOOKED_BACK = timedelta(seconds=60)
ENOUGH = 5  # requests from which a pace is measured
AT_ONCE = 8  # requests of a lane in flight
USUAL_MS = 300


@dataclass(frozen=True, slots=True)
class Pace:
    """``people`` wait. Times are None where nothing is known.

    ``next_at``: the next request, if it is not due already. ``ends_at``: when the first of them
    are errored. ``held_since``: the first failure. ``per_second``: requests.
    """

    people: int
    next_at: datetime | None = None
    done_at: datetime | None = None
    ends_at: datetime | None = None
    held_since: datetime | None = None
    per_second: float = 0.0

    @property
    def words(self) -> str:
        """Return the requests in a second or a minute, in words."""
        if self.per_second >= 1:
            n = round(self.per_second)
            return ngettext("%(n)s request/s", "%(n)s requests/s", n) % {"n": number_format(n)}
        n = max(1, round(60 * self.per_second))
        return ngettext("%(n)s request/min", "%(n)s requests/min", n) % {"n": number_format(n)}


def of_sync(sync: Sync, *, now: datetime) -> Pace | None:
    """Return the pace of a Sync and of the one that undoes it; None if no people wait."""
    waiting = risks.pending_batches_of(sync)
    found = waiting.order_by().aggregate(
        n=Sum("n"),
        due=Min("due_at"),
        last=Max("due_at"),
        ends_at=Min("deadline_at"),
        failed=Min("first_failed_at"),
    )
    if not found["n"]:
        return None
    ad_account = sync.audience.ad_account
    limit = budget.limit_of(collect.partner_of(ad_account), ad_account.lane)
    slow = budget.next_try([limit.key, budget.lane_key(ad_account.lane)])
    held_until = ad_account.connection.swap_until  # at the latest: its account is being changed
    begins = max(found["due"], slow.at if slow else now, held_until or now, now)
    ahead = risks.pending_batches().filter(
        lane_q(ad_account.lane, "ad_account__"), due_at__lte=max(found["last"], now)
    )
    per_second = _measured(ad_account, found["due"], now=now) or _expected(
        ad_account, limit, now=now
    )
    seconds = _requests(ahead, ad_account, len(sync.kinds)) / per_second
    return Pace(
        people=found["n"],
        next_at=begins if begins > now else None,
        done_at=max(begins + timedelta(seconds=seconds), found["last"]),
        ends_at=found["ends_at"],
        held_since=found["failed"],
        per_second=per_second,
    )


def _requests(batches: QuerySet[Batch], ad_account: AdAccount, n_kinds: int) -> float:
    """Return how many requests batches need: large ones travel alone, small ones together."""
    most = collect.max_people(collect.preset_of(ad_account), ad_account, n_kinds)
    is_large = Q(n__gt=most // 2) | Q(sharing=Batch.Sharing.ALONE)
    n = 0.0
    groups = batches.order_by().values_list("ad_account", "action", "kinds")
    for *_group, people, large in groups.annotate(
        people=Sum("n"), large=Count("pk", filter=is_large)
    ):
        n += max(large, -(-people // most))
    return n


def _measured(ad_account: AdAccount, waiting_since: datetime, *, now: datetime) -> float | None:
    """Return the requests per second of the last minute, as far as people waited in it."""
    begin = max(now - LOOKED_BACK, waiting_since)
    n, seconds = _sent(ad_account, since=begin).count(), (now - begin).total_seconds()
    return n / seconds if n >= ENOUGH and seconds >= 1 else None


def _sent(ad_account: AdAccount, *, since: datetime) -> QuerySet[Push]:
    return Push.objects.filter(lane_q(ad_account.lane, "ad_account__"), at__gte=since)


def _expected(ad_account: AdAccount, limit: budget.Limit, *, now: datetime) -> float:
    """Return the requests per second that the limit and the last answers allow one of the lanes."""
    took = _sent(ad_account, since=now - 10 * LOOKED_BACK).aggregate(ms=Avg("ms"))["ms"]
    fastest = AT_ONCE / (max(1.0, took or USUAL_MS) / 1000)
    if limit.lane:
        return min(limit.rate, fastest)
    partner = ad_account.connection.partner
    # One index lookup per ad account, instead of reading all pending batches.
    waiting = risks.pending_batches().filter(ad_account=OuterRef("pk"))
    busy = AdAccount.objects.filter(Exists(waiting), connection__partner=partner)
    lanes = busy.order_by().values_list("remote_id").distinct().count()
    return min(limit.rate / max(1, lanes), fastest)
