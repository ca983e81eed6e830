"""Who is in an audience by what we sent, for the filters of segments."""

from __future__ import annotations

from datetime import datetime

from django.db.models import OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact

from audiencesync.groups.models import AppGroup
from audiencesync.people.segments.audiences import Source
from partners.models import Action, Audience, Batch, Delivery, Outcome

FEW = 50_000  # deliveries that were accepted, in all


def members(audience: int) -> Q:
    """Return the query of the people for whom the last thing that we sent was an add.

    Walks the deliveries of each person, which are few. Those that are still pending, or that ended
    without being sent, say nothing about where a person is. Retention keeps the newest synced one.
    """
    last = _last(audience, "batch__action")
    return Q(Exact(Coalesce(last, Value("")), Value(str(Action.ADD))))


def listed_members(audience: int) -> Q:
    """Return the query of the same people, for lists of them.

    If few were sent at all, only those are asked, instead of all people of a group.
    """
    batches = Batch.objects.filter(audience=audience, state=Outcome.SYNCED)
    if (batches.aggregate(n=Sum("n"))["n"] or 0) > FEW:
        return members(audience)
    sent = Delivery.objects.filter(batch__in=batches, outcome=None)
    return members(audience) & Q(pk__in=sent.values("profile"))


def last_sent_at(audience: int) -> Subquery:
    """Return when the last thing that we sent for a person was accepted."""
    return _last(audience, "batch__settled_at")


def last_id(audience: int, *, until: datetime) -> Subquery:
    """Return the delivery that was the last for the person of a delivery, at that time."""
    return _last(audience, "pk", Q(batch__settled_at__lte=until), person="profile")


def _last(audience: int, column: str, *which: Q, person: str = "pk") -> Subquery:
    sent = Delivery.objects.filter(
        *which,
        profile=OuterRef(person),
        outcome=None,
        batch__state=Outcome.SYNCED,
        batch__audience=audience,
    )
    return Subquery(sent.order_by("-batch__seq", "-pk").values(column)[:1])


def names(app_group: AppGroup) -> dict[int, str]:
    """Return id -> name of the audiences of a group."""
    mine = Audience.objects.filter(ad_account__connection__app_group=app_group)
    return dict(mine.order_by("name", "pk").values_list("pk", "name"))


def name(audience: int) -> str:
    """Return the name of an audience; empty if there is none."""
    return Audience.objects.filter(pk=audience).values_list("name", flat=True).first() or ""


SOURCE = Source(members=members, names=names, name=name)
