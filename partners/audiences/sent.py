"""Find who is in an audience by our accepted deliveries, for the filters of segments."""

from __future__ import annotations

from datetime import datetime

from django.db.models import OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact

from audiencesync.groups.models import AppGroup
from audiencesync.people.segments.audiences import Source
from partners.models import Action, Audience, Batch, Delivery, Outcome

MAX_LISTED = 50_000
"""If an audience has at most this many, lists start from its accepted deliveries."""


def members_q(audience: int) -> Q:
    """Return the Q of the profiles whose newest accepted delivery to the audience is an add.

    Reads the deliveries of each person, which are few. Deliveries that are pending or were not
    accepted do not count. Retention keeps the newest accepted delivery.
    """
    newest_action = _newest_sent(audience, "batch__action")
    return Q(Exact(Coalesce(newest_action, Value("")), Value(str(Action.ADD))))


def listed_members_q(audience: int) -> Q:
    """Return the Q of the same profiles, for lists: faster if the audience has few deliveries."""
    batches = Batch.objects.filter(audience=audience, state=Outcome.SYNCED)
    if (batches.aggregate(n=Sum("n"))["n"] or 0) > MAX_LISTED:
        return members_q(audience)
    sent = Delivery.objects.filter(batch__in=batches, outcome=None)
    return members_q(audience) & Q(pk__in=sent.values("profile"))


def last_sent_at(audience: int) -> Subquery:
    """Return when the newest accepted delivery of a profile was accepted."""
    return _newest_sent(audience, "batch__settled_at")


def last_id(audience: int, *, until: datetime) -> Subquery:
    """Return the id of the newest delivery of the same person that was accepted until a time."""
    return _newest_sent(audience, "pk", Q(batch__settled_at__lte=until), person="profile")


def _newest_sent(audience: int, column: str, *conditions: Q, person: str = "pk") -> Subquery:
    """Return a column of the newest accepted delivery of a person.

    ``person``: the field of the outer query with the id of the profile.
    """
    sent = Delivery.objects.filter(
        *conditions,
        profile=OuterRef(person),
        outcome=None,
        batch__state=Outcome.SYNCED,
        batch__audience=audience,
    )
    return Subquery(sent.order_by("-batch__seq", "-pk").values(column)[:1])


def names(app_group: AppGroup) -> dict[int, str]:
    """Return id -> name of the audiences of a group."""
    audiences = Audience.objects.filter(ad_account__connection__app_group=app_group)
    return dict(audiences.order_by("name", "pk").values_list("pk", "name"))


def name(audience: int) -> str:
    """Return the name of an audience; empty if there is none."""
    return Audience.objects.filter(pk=audience).values_list("name", flat=True).first() or ""


SOURCE = Source(members=members_q, names=names, name=name)
