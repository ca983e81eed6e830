"""Count once a day how many people are in each large audience by what we sent.

A page cannot count so many within its time. A count asks for the state at one time, and goes part
by part in the order in which the audience was sent: what is sent meanwhile does not change it, and
nothing is locked.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from audiencesync.people.models import Profile
from partners.audiences import sent
from partners.models import Action, Audience, Batch, Delivery, MemberCount, Outcome

LARGE = 10_000  # accepted additions; fewer are counted by the page itself
EVERY = timedelta(days=1)
SETTLED = timedelta(minutes=5)  # no transaction that settles batches is open longer
SECONDS = 2.0  # of one call, which is once a minute
PEOPLE = 2_000  # of one statement, as far as batches are smaller
BATCHES = 500


def beat() -> None:
    """Count a bounded part of the audiences that are due."""
    count_due(now=timezone.now())


def count_due(*, now: datetime, seconds: float = SECONDS) -> None:
    """Go on with the count that was begun, then begin the next that is due, until time is up."""
    ends_at = time.monotonic() + seconds
    while row := _going_on() or _begin(now=now):
        if time.monotonic() >= ends_at or not _count_part(row):
            return


def _going_on() -> MemberCount | None:
    return MemberCount.objects.filter(until__isnull=False).order_by("until", "pk").first()


def _begin(*, now: datetime) -> MemberCount | None:
    """Begin the count of the audience that was counted longest ago, of those that are due."""
    due = Q(member_count=None) | Q(member_count__counted_at__lt=now - EVERY)
    in_use = Audience.objects.filter(gone_at=None, ad_account__is_chosen=True)
    added = Sum("syncs__tally__synced", filter=Q(syncs__action=Action.ADD))
    large = in_use.annotate(added=added).filter(due, added__gte=LARGE)
    pk = (
        large.order_by(F("member_count__counted_at").asc(nulls_first=True), "pk")
        .values_list("pk", flat=True)
        .first()
    )
    if pk is None:
        return None
    row, _is_new = MemberCount.objects.update_or_create(
        pk=pk, defaults={"until": now - SETTLED, "after": 0, "so_far": 0}
    )
    return row


def _count_part(row: MemberCount) -> bool:
    """Count the next part; return False if another process has done it."""
    until, upto = row.until, _upto(row)
    if until is None:
        return False  # it has ended
    same = MemberCount.objects.filter(pk=row.pk, until=until, after=row.after)
    if upto is None:
        return bool(same.update(n=row.so_far, counted_at=until, until=None))
    n = _members(row, until=until, upto=upto).count()
    return bool(same.update(after=upto, so_far=F("so_far") + n))


def _upto(row: MemberCount) -> int | None:
    """Return the last place of the next part; None after the last one."""
    added = Batch.objects.filter(audience=row.pk, action=Action.ADD, seq__gt=row.after)
    people, upto = 0, None
    for seq, n in added.order_by("seq").values_list("seq", "n")[:BATCHES]:
        if upto is not None and people + n > PEOPLE:
            break
        people, upto = people + n, seq
    return upto


def _members(row: MemberCount, *, until: datetime, upto: int) -> QuerySet[Delivery]:
    """Return the additions of a part after which nothing else was sent for their people."""
    batches = Batch.objects.filter(
        audience=row.pk,
        action=Action.ADD,
        seq__gt=row.after,
        seq__lte=upto,
        state=Outcome.SYNCED,
    )
    group = Audience.objects.values_list("ad_account__connection__app_group").get(pk=row.pk)[0]
    known = Profile.objects.filter(pk=OuterRef("profile"), app_group=group)
    added = Delivery.objects.filter(batch__in=list(batches.values_list("pk", flat=True)))
    last = sent.last_id(row.pk, until=until)
    return added.filter(Exists(known), outcome=None).annotate(last=last).filter(last=F("pk"))
