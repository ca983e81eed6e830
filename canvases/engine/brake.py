"""The brake: hold removals if too many people would leave a live audience at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from audiencesync.core.beat import wake
from audiencesync.groups import outbox
from audiencesync.groups.models import Activity, Membership, Role, User
from audiencesync.people.models.live import SegmentMember, Signal, Subscription
from canvases.engine.rows import TASK
from canvases.models import Canvas, Step
from partners.models import Batch

WINDOW = timedelta(hours=1)


def held() -> Q:
    """Match signals that a brake holds: of people who left and have not come back."""
    member = SegmentMember.objects.filter(
        subscription=OuterRef("subscription_id"), profile=OuterRef("profile_id")
    )
    return Q(~Exists(member), kind=Signal.Kind.LEFT, subscription__role=Subscription.Role.ENTRY)


def free(listener: int) -> QuerySet[Signal]:
    """Return the signals of a listener that its brake does not hold, but for some that ask nothing.

    Not by what it holds: of very many people who left, each look would read all. Who is a member
    again has come back by another signal, which leads to the one that was held.
    """
    mine = Signal.objects.filter(listener=listener)
    others = mine.exclude(kind=Signal.Kind.LEFT)
    back = mine.filter(kind=Signal.Kind.LEFT, profile__in=others.values("profile"))
    return Signal.objects.filter(
        pk__in=others.values("pk").union(back.exclude(held()).values("pk"))
    )


def n_held(canvas: Canvas) -> int:
    """Return how many people would be removed."""
    return Signal.objects.filter(held(), listener=canvas.pk).count()


def apply(canvas: Canvas, steps: Sequence[Step], *, now: datetime) -> None:
    """Begin to hold removals if their number within an hour exceeds the limits.

    Not within an hour after a member lifted the brake.
    """
    lifted_at = canvas.brake_lifted_at
    if not steps or canvas.braked_at or (lifted_at and now - WINDOW < lifted_at <= now):
        return
    if not _has_news(canvas):
        return
    removed = _removed(steps, since=now - WINDOW)
    if not _is_too_many(canvas, canvas.brake_waiting + removed):
        return
    leaving = n_held(canvas)
    Canvas.objects.filter(pk=canvas.pk).update(brake_waiting=leaving)
    if leaving and _is_too_many(canvas, leaving + removed):
        Canvas.objects.filter(pk=canvas.pk).update(braked_at=now)
        canvas.braked_at = now
        _mail(canvas, leaving, now=now)


def _has_news(canvas: Canvas) -> bool:
    """Note the people who left since the last look; return whether there are any.

    Without them the limits hold as before: who waited then was counted, removed or not. So a look
    counts only new signals, and not a million again for each chunk.
    """
    new = Signal.objects.filter(
        listener=canvas.pk,
        pk__gt=canvas.brake_seen,
        kind=Signal.Kind.LEFT,
        subscription__role=Subscription.Role.ENTRY,
    ).aggregate(n=Count("pk"), last=Max("pk"))
    if not new["n"]:
        return False
    canvas.brake_waiting += new["n"]
    canvas.brake_seen = new["last"]
    Canvas.objects.filter(pk=canvas.pk).update(
        brake_waiting=canvas.brake_waiting, brake_seen=canvas.brake_seen
    )
    return True


def _is_too_many(canvas: Canvas, leaving: int) -> bool:
    if leaving < settings.REMOVAL_BRAKE_PEOPLE:
        return False
    entry = Q(subscription__listener=canvas.pk, subscription__role="entry")
    staying = SegmentMember.objects.filter(entry).count()
    return 100 * leaving / (staying + leaving) > settings.REMOVAL_BRAKE_PERCENT


def _mail(canvas: Canvas, leaving: int, *, now: datetime) -> None:
    """Mail the author of the canvas, else the admins, once per incident."""
    members = Membership.objects.filter(app_group=canvas.app_group, user__is_active=True)
    readers = members.select_related("user").order_by("pk")
    authors = list(readers.filter(user=canvas.created_by, role__in=[Role.MARKETER, Role.ADMIN]))

    def write(_reader: Membership) -> outbox.Text:
        words = {"canvas": canvas.name, "group": canvas.app_group.name}
        subject = gettext("Removals are held in %(group)s: %(canvas)s") % words
        text = ngettext(
            "%(n)s person left the segment of the canvas “%(canvas)s” at once. The removal from"
            " the audience waits until a marketer or admin confirms it. Everything else goes on.",
            "%(n)s people left the segment of the canvas “%(canvas)s” at once. The removal from"
            " the audience waits until a marketer or admin confirms it. Everything else goes on.",
            leaving,
        )
        body = text % (words | {"n": number_format(leaving)})
        return subject, f"{body}\n\n{outbox.absolute_url(canvas.get_absolute_url())}\n"

    to = authors or list(readers.filter(role=Role.ADMIN))
    outbox.enqueue(f"brake {canvas.pk} {now:%Y%m%dT%H%M%S}", canvas.app_group, to, write, now=now)


def _removed(steps: Sequence[Step], *, since: datetime) -> int:
    """Return how many removals of people who left were queued since a time."""
    added = [one.pk for step in steps for one in step.syncs.all()]
    batches = Batch.objects.filter(sync__undoes__in=added, created_at__gte=since)
    return batches.aggregate(n=Sum("n"))["n"] or 0


def lift(canvas: Canvas, *, by: User, now: datetime) -> bool:
    """Let the removals go on that are held; return False if there are none."""
    with transaction.atomic():
        braked = Canvas.objects.filter(pk=canvas.pk).exclude(braked_at=None)
        lifted = braked.update(braked_at=None, brake_lifted_at=now)
        if lifted:
            Activity.log(
                canvas.app_group,
                by,
                Activity.Verb.CHANGED,
                canvas.name,
                kind=Activity.Kind.CANVAS,
                changes=[(_("Removals"), _("held"), _("confirmed"))],
            )
            wake(TASK)
    return bool(lifted)
