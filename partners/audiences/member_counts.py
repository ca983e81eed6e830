"""Count once a day how many people are in each large audience, by our accepted deliveries.

It would take too long while a member waits for a page. A count is of one time in the past
(``until``) and goes part by part in the order of the batches (Batch.seq). So what is sent meanwhile
does not change it, and nothing is locked. A row of MemberCount has both the last complete count and
the unfinished one.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from audiencesync.people.models import Profile
from partners.audiences import sent
from partners.models import Action, Audience, Batch, Delivery, MemberCount, Outcome

MIN_ADDS = 10_000  # accepted adds; the page itself counts audiences with fewer
COUNT_EVERY = timedelta(days=1)
SETTLE_TIME = timedelta(minutes=5)  # no transaction that settles batches is open longer than this
MAX_SECONDS = 2.0  # the longest time of one call; there is one call a minute
MAX_PEOPLE = 2_000  # the most people of one part, unless its only batch has more
MAX_BATCHES = 500  # the most batches of one part


def beat() -> None:
    """Count a bounded part of the audiences that are due."""
    count_due(now=timezone.now())


def count_due(*, now: datetime, seconds: float = MAX_SECONDS) -> None:
    """Continue the unfinished count, then begin the next that is due, until time is up."""
    stop_at = time.monotonic() + seconds
    while row := _unfinished_count() or _begin_count(now=now):
        if time.monotonic() >= stop_at or not _count_part(row):
            return


def _unfinished_count() -> MemberCount | None:
    return MemberCount.objects.filter(until__isnull=False).order_by("until", "pk").first()


def _begin_count(*, now: datetime) -> MemberCount | None:
    """Begin the count of the audience that was counted longest ago, of those that are due."""
    due = Q(member_count=None) | Q(member_count__counted_at__lt=now - COUNT_EVERY)
    in_use = Audience.objects.filter(gone_at=None, ad_account__is_chosen=True)
    n_added = Sum("syncs__tally__synced", filter=Q(syncs__action=Action.ADD))
    candidates = in_use.annotate(n_added=n_added).filter(due, n_added__gte=MIN_ADDS)
    pk = (
        candidates.order_by(F("member_count__counted_at").asc(nulls_first=True), "pk")
        .values_list("pk", flat=True)
        .first()
    )
    if pk is None:
        return None
    row, _is_new = MemberCount.objects.update_or_create(
        pk=pk, defaults={"until": now - SETTLE_TIME, "after": 0, "so_far": 0}
    )
    return row


def _count_part(row: MemberCount) -> bool:
    """Count the next part; return False if another process has done it."""
    until, last_seq = row.until, _last_seq_of_part(row)
    if until is None:  # for the type checker: the count of every caller is unfinished
        return False
    unchanged = MemberCount.objects.filter(pk=row.pk, until=until, after=row.after)
    if last_seq is None:
        return bool(unchanged.update(n=row.so_far, counted_at=until, until=None))
    n = _members(row, until=until, last_seq=last_seq).count()
    return bool(unchanged.update(after=last_seq, so_far=F("so_far") + n))


def _last_seq_of_part(row: MemberCount) -> int | None:
    """Return the seq of the last batch of the next part; None if there is no next part."""
    adds = Batch.objects.filter(audience=row.pk, action=Action.ADD, seq__gt=row.after)
    n_people, last_seq = 0, None
    for seq, n in adds.order_by("seq").values_list("seq", "n")[:MAX_BATCHES]:
        if last_seq is not None and n_people + n > MAX_PEOPLE:
            break
        n_people, last_seq = n_people + n, seq
    return last_seq


def _members(row: MemberCount, *, until: datetime, last_seq: int) -> QuerySet[Delivery]:
    """Return the adds of the next part that are the newest accepted delivery of their person."""
    batches = Batch.objects.filter(
        audience=row.pk,
        action=Action.ADD,
        seq__gt=row.after,
        seq__lte=last_seq,
        state=Outcome.SYNCED,
    )
    group = Audience.objects.values_list("ad_account__connection__app_group").get(pk=row.pk)[0]
    existing = Profile.objects.filter(pk=OuterRef("profile"), app_group=group)
    adds = Delivery.objects.filter(batch__in=list(batches.values_list("pk", flat=True)))
    newest = sent.last_id(row.pk, until=until)  # an add or a removal of the person
    # A delivery with the outcome None has that of its batch, which is synced.
    return (
        adds.filter(Exists(existing), outcome=None).annotate(newest=newest).filter(newest=F("pk"))
    )
