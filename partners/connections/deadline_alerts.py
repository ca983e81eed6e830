"""Mail a warning about six hours and one hour before people count as errored."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Min, QuerySet, Sum
from django.utils.formats import number_format
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audiencesync.core import beat as clock
from audiencesync.groups import outbox
from audiencesync.groups.models import Membership
from audiencesync.groups.outbox import Text
from partners import registry, risks
from partners.connections import alerts, mailing, problems
from partners.models import Batch, Connection, Sync

HOURS = (1, 6)  # levels, nearest first, of a retry window of 13 hours; scaled to the setting
ALL_HOURS = 13


def warn(*, now: datetime) -> int:
    """Mail the readers of each connection once a day and level. Return how many mails were sent."""
    soon = risks.pending_batches().filter(deadline_at__lte=now + _hours(max(HOURS)))
    connections = Connection.objects.filter(pk__in=soon.values("ad_account__connection"))
    for connection in connections.select_related("app_group"):
        _warn(connection, now=now)
    return mailing.send_due(now=now)


def _hours(n: int) -> timedelta:
    return timedelta(seconds=settings.SYNC.deadline) * n / ALL_HOURS


def _warn(connection: Connection, *, now: datetime) -> None:
    mine = risks.pending_batches().filter(ad_account__connection=connection)
    for at, level in enumerate(HOURS):
        soon = mine.filter(deadline_at__lte=now + _hours(level))
        if soon.exists():
            # After the mail of the last hour, the one of the last six hours is not sent.
            nearer = [_key(connection, one, now=now) for one in HOURS[:at]]
            if not any(outbox.has_any(key) for key in nearer):
                _write(connection, soon, level, now=now)
            return


def _key(connection: Connection, level: int, *, now: datetime) -> str:
    return (
        f"running-out-{level}:{connection.pk}:{clock.slot_at(now.timestamp(), alerts.DAY_SECONDS)}"
    )


def _write(connection: Connection, soon: QuerySet[Batch], level: int, *, now: datetime) -> None:
    readers = alerts.recipients(connection)

    def words(_reader: Membership) -> Text:
        return _words(connection, soon, now=now)

    outbox.enqueue(_key(connection, level, now=now), connection.app_group, readers, words, now=now)


def _words(connection: Connection, soon: QuerySet[Batch], *, now: datetime) -> Text:
    found = soon.aggregate(first=Min("deadline_at"), n=Sum("n"))
    first = max(found["first"], now + timedelta(minutes=1))
    batch = soon.select_related(f"sync__{problems.SYNC_RELATED}").order_by("deadline_at").first()
    subject = _("People will soon count as errors in %(group)s") % {
        "group": connection.app_group.name
    }
    text = ngettext(
        "%(n)s person counts as errored on %(time)s, in %(left)s, because %(partner)s has not "
        "taken them.",
        "%(n)s people begin to count as errored on %(time)s, in %(left)s, because %(partner)s has "
        "not taken them.",
        found["n"],
    )
    words = {
        "time": risks.clock(first, connection.app_group),
        "left": timeuntil(first, now),
        "partner": registry.get(connection.partner).label,
    }
    parts = [text % (words | {"n": number_format(found["n"])})]
    problem = problems.of_sync(batch.sync, now=now) if batch else None
    if problem is not None:
        parts.append(problem.text)
    parts.append(_("Mend it before, or send them again with Try again afterwards."))
    url = problem.url if problem else batch.sync.url if batch else "/"
    syncs = Sync.objects.filter(pk__in=soon.values("sync")).order_by("pk")
    return subject, alerts.mail_text(
        connection.app_group, " ".join(parts), url, alerts.sync_lines(syncs, soon)
    )
