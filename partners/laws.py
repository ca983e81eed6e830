"""The laws (invariants) of the queue, checked against the rows: docs/reliability.md numbers them.

The caller gives one snapshot of the database.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Case, Count, F, Q, Sum, When
from django.db.models.functions import Coalesce

from partners.models import Batch, Delivery, Outcome, Reason, Tally
from partners.models.tallies import COUNTS

LEASE_GRACE = timedelta(seconds=10)  # from the end of a lease until it is reclaimed
DEADLINE_GRACE = timedelta(minutes=10)  # from a deadline until the batch is errored


def broken(*, now: datetime) -> Iterator[str]:
    """Yield one sentence per broken invariant."""
    yield from _totals()
    yield from _tallies()
    yield from _moved()
    yield from _batches()
    yield from _times(now=now)


def _totals() -> Iterator[str]:
    """L1: entered is the sum of the other counts, and no count is negative."""
    sum_of_parts = sum((F(name) for name in COUNTS[1:]), start=F("entered") * 0)
    negative_q = Q(pk__lt=0)  # matches nothing; each count adds its condition
    for name in COUNTS:
        negative_q |= Q(**{f"{name}__lt": 0})
    for tally in Tally.objects.filter(~Q(entered=sum_of_parts) | negative_q):
        yield f"L1 sync {tally.pk}: the counts of its tally do not add up: {tally.as_dict()}"


def _tallies() -> Iterator[str]:
    """L2: each tally equals the count of its deliveries, plus its base (deleted deliveries)."""
    state = Coalesce("outcome", "batch__state")
    counted_by_sync: dict[int, dict[str, int]] = {}
    rows = (
        Delivery.objects.annotate(state=state)
        .values_list("sync", "state")
        .annotate(n=Count("pk"))
        .order_by()
    )
    for sync, name, n in rows:
        counts = counted_by_sync.setdefault(sync, dict.fromkeys(COUNTS, 0))
        counts[name] += n
        counts["entered"] += n
    tallies = {}
    for tally in Tally.objects.all():
        tallies[tally.pk] = tally.as_dict()
        for name, by_reason in tally.base.items():
            counts = counted_by_sync.setdefault(tally.pk, dict.fromkeys(COUNTS, 0))
            counts[name] += sum(by_reason.values())
            counts["entered"] += sum(by_reason.values())
    for sync in sorted(counted_by_sync.keys() | tallies.keys()):
        stored, counted = tallies.get(sync), counted_by_sync.get(sync)
        if (stored or dict.fromkeys(COUNTS, 0)) != (counted or dict.fromkeys(COUNTS, 0)):
            yield f"L2 sync {sync}: its tally says {stored}, its deliveries say {counted}"


def _moved() -> Iterator[str]:
    """L2: the count of moved people equals the count of deliveries cancelled as moved."""
    own_outcome_q = Q(outcome=Outcome.CANCELLED, reason=Reason.MOVED)
    batch_outcome_q = Q(outcome=None, batch__state=Outcome.CANCELLED, batch__last_code=Reason.MOVED)
    rows = (
        Delivery.objects.filter(own_outcome_q | batch_outcome_q)
        .values_list("sync")
        .annotate(n=Count("pk"))
        .order_by()
    )
    n_counted = dict(rows)
    for tally in Tally.objects.all():
        n = n_counted.get(tally.pk, 0) + tally.base.get(Outcome.CANCELLED, {}).get(Reason.MOVED, 0)
        if tally.moved != n:
            yield f"L2 sync {tally.pk}: its tally says {tally.moved} moved people, its rows say {n}"


def _batches() -> Iterator[str]:
    """L2: the n of a batch equals its deliveries without an outcome of their own."""
    n_members = Coalesce(
        Sum(Case(When(deliveries__outcome=None, deliveries__isnull=False, then=1), default=0)), 0
    )
    for batch in (
        Batch.objects.annotate(n_members=n_members)
        .exclude(n=F("n_members"))
        .values("pk", "n", "n_members")
    ):
        n, n_members = batch["n"], batch["n_members"]
        yield f"L2 batch {batch['pk']}: n is {n}, but {n_members} deliveries have no outcome"


def _times(*, now: datetime) -> Iterator[str]:
    """L6: every lease is reclaimed after its end, no batch is pending after its deadline."""
    for pk in (
        Batch.objects.exclude(lease="")
        .filter(lease_until__lt=now - LEASE_GRACE)
        .values_list("pk", flat=True)
    ):
        yield f"L6 batch {pk}: its lease ended more than 10 seconds ago and was not reclaimed"
    overdue = Batch.objects.pending().filter(deadline_at__lt=now - DEADLINE_GRACE, n__gt=0)
    # While the account of a connection is changed (swap), no batch is tried or errored.
    in_swap_q = Q(ad_account__connection__swap_until__gt=now - DEADLINE_GRACE)
    for pk in overdue.not_paused().exclude(in_swap_q).values_list("pk", flat=True):
        yield f"L6 batch {pk}: still pending more than 10 minutes after its deadline"
