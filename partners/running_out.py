"""Mails before people count as errors, some six hours and one hour ahead: there is time to mend what bars their way."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Min, QuerySet, Sum
from django.utils import translation
from django.utils.formats import number_format
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _

from audiencesync import beat as clock
from partners import alerts
from partners.collect import PAUSED
from partners.models import Batch, Connection, Outcome, Sync

HOURS = (1, 6)  # of the thirteen that people have, nearest first; a shorter deadline shortens them
ALL_HOURS = 13


def warn(*, now: datetime) -> int:
    """Mail who must act, each connection once a day and level however many workers look; answers how many mails went."""
    soon = _waiting().filter(deadline_at__lte=now + _hours(max(HOURS)))
    connections = Connection.objects.filter(pk__in=soon.values("ad_account__connection"))
    return sum(_warn(connection, now=now) for connection in connections.select_related("app_group"))


def _hours(n: int) -> timedelta:
    return timedelta(seconds=settings.SYNC["deadline"]) * n / ALL_HOURS


def _waiting() -> QuerySet[Batch]:
    """People of steps whose time runs; it stands still while a canvas is stopped."""
    pending = Batch.objects.filter(
        state=Outcome.PENDING, n__gt=0, deadline_at__isnull=False, sync__purpose=Sync.Purpose.STEP
    )
    return pending.exclude(PAUSED)


def _warn(connection: Connection, *, now: datetime) -> bool:
    mine = _waiting().filter(ad_account__connection=connection)
    for at, level in enumerate(HOURS):
        soon = mine.filter(deadline_at__lte=now + _hours(level))
        if soon.exists():  # who was mailed about the last hour needs no mail about the last six any more
            claimed = [_claim(connection, one, now=now) for one in HOURS[at:]]
            return claimed[0] and _mail(connection, soon, now=now)
    return False


def _claim(connection: Connection, level: int, *, now: datetime) -> bool:
    return clock.claim(f"running-out-{level}:{connection.pk}", clock.slot_at(now.timestamp(), alerts.DAY_SECONDS))


def _mail(connection: Connection, soon: QuerySet[Batch], *, now: datetime) -> bool:
    found = soon.aggregate(first=Min("deadline_at"), n=Sum("n"))
    batch = soon.select_related("sync").order_by("deadline_at").first()
    with translation.override(settings.LANGUAGE_CODE):
        subject = _("People will soon count as errors in %(group)s") % {"group": connection.app_group.name}
        text = _(
            "In %(time)s %(n)s people begin to count as errors, because TikTok has not taken them. Nobody is lost: open "
            "the step to see why, and mend it before, or send them again afterwards."
        )
        words = {
            "time": timeuntil(max(found["first"], now + timedelta(minutes=1)), now),
            "n": number_format(found["n"]),
        }
        return alerts.mail(connection, subject, text % words, batch.sync.url if batch else "/")
