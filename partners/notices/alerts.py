"""Write mails about incidents, and daily mails about people who were not sent.

The daily mails are about people who missed their deadline. To the admins, they are also about
removals without a step (after an erasure or withdrawn consent) that failed or are blocked. The
texts are written here and in texts.py; groups/outbox.py sends them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import F, Max, Min, Q, QuerySet, Sum
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audiencesync.core import deadlines
from audiencesync.core.beat import slot_at
from audiencesync.groups import outbox
from audiencesync.groups.models import Membership
from audiencesync.groups.outbox import Text
from partners import registry, risks
from partners.connections import mailing, problems
from partners.incidents import reconcile
from partners.models import Audience, Batch, Connection, Delivery, Outcome, ParkedBy, Sync
from partners.models.batch_queries import OF_STEPS
from partners.notices import notify, recipients, webhooks
from partners.notices.texts import MAX_LINES, mail_text, sync_lines

RECENT = timedelta(hours=1)
"""Longer than the time between two runs of `send_due`, so that no batch is missed."""
DAY_SECONDS = 24 * 3600.0


def send_due(*, now: datetime) -> int:
    """Write and send all mails that are due, each once. Return how many were sent.

    They are about incidents that began, remind or are over, and about people who were not sent.
    Mails that the mail server refuses are sent later.
    """
    reconcile.run(now=now)
    notify.write(now=now)
    webhooks.enqueue(now=now)
    _mail_missed_deadlines(now=now)
    _mail_failed_removals(now=now)
    _mail_blocked_removals(now=now)
    sent = mailing.send_due(now=now)
    notify.note_sent()
    return sent


def _recently_expired_batches(*, now: datetime) -> QuerySet[Batch]:
    """Return the batches that recently missed their deadline."""
    errored = Batch.objects.filter(state=Outcome.ERRORED, settled_at__gte=now - RECENT, n__gt=0)
    return errored.filter(settled_at__gte=F("deadline_at"))


def _day_of(at: datetime) -> int:
    return slot_at(at.timestamp(), DAY_SECONDS)


def _enqueue_daily(
    mail_key: str,
    batches: QuerySet[Batch],
    write_mail: Callable[[Connection, QuerySet[Batch]], Text],
    *,
    to: Callable[[Connection], list[Membership]],
    now: datetime,
) -> None:
    """Queue a mail about each connection of these batches, once a day for each recipient."""
    connections = Connection.objects.filter(pk__in=batches.values("ad_account__connection"))
    for connection in connections.select_related("app_group"):
        of_connection, members = batches.filter(ad_account__connection=connection), to(connection)

        def text_for(  # the defaults bind the values of this turn of the loop
            _reader: Membership,
            connection: Connection = connection,
            of_connection: QuerySet[Batch] = of_connection,
        ) -> Text:
            return write_mail(connection, of_connection)

        recipients.log_if_none(members, connection)
        # The key has the day (UTC) on which the last of these batches ended. With the present day,
        # batches that ended shortly before midnight would cause a second mail after it, and batches
        # that end on the new day would cause none.
        ended_at = of_connection.aggregate(last=Max("settled_at"))["last"]
        outbox.enqueue(
            f"{mail_key}:{connection.pk}:{_day_of(ended_at or now)}",
            connection.app_group,
            members,
            text_for,
            now=now,
        )


def _mail_missed_deadlines(*, now: datetime) -> None:
    """Mail about people who missed their deadline, once a day."""
    expired = _recently_expired_batches(now=now).filter(sync__purpose__in=OF_STEPS)
    _enqueue_daily("given-up", expired, _missed_deadline_mail, to=recipients.of_connection, now=now)


def _missed_deadline_mail(connection: Connection, expired: QuerySet[Batch]) -> Text:
    n = expired.aggregate(n=Sum("n"))["n"] or 0
    batch = expired.select_related("sync").order_by("-settled_at").first()
    subject = _("People were not sent to %(partner)s in %(group)s") % _params(connection)
    text = ngettext(
        "%(partner)s did not take %(n)s person within %(retry_time)s (until %(time)s), so they "
        "count as errored. No one is lost: open the component, see why, and send them again with "
        "Retry once the problem is over.",
        "%(partner)s did not take %(n)s people within %(retry_time)s (until %(time)s), so they "
        "count as errored. No one is lost: open the component, see why, and send them again with "
        "Retry once the problem is over.",
        n,
    )
    at = batch.settled_at if batch and batch.settled_at else None
    params = _params(connection) | {"n": number_format(n), "retry_time": deadlines.delivery_text()}
    params["time"] = risks.local_text(at, connection.app_group) if at else ""
    syncs = Sync.objects.filter(pk__in=expired.values("sync")).order_by("pk")
    url = batch.sync.url if batch else "/"
    return subject, mail_text(connection.app_group, text % params, url, sync_lines(syncs, expired))


def _mail_failed_removals(*, now: datetime) -> None:
    """Mail the admins about removals without a step that missed their deadline, once a day."""
    expired = _recently_expired_batches(now=now).exclude(sync__purpose__in=OF_STEPS)
    _enqueue_daily("not-taken-out", expired, _failed_removal_mail, to=recipients.admins_of, now=now)


def _failed_removal_mail(connection: Connection, expired: QuerySet[Batch]) -> Text:
    subject = _("People were not taken out of audiences of %(group)s") % _params(connection)
    text = _(
        "People who were erased or withdrew their consent may still be in audiences at "
        "%(partner)s: it took no removal of them for %(retry_time)s, and none is sent any more. "
        "Look there which audiences can go."
    )
    audiences = Audience.objects.filter(pk__in=expired.values("audience"))
    names = audiences.values_list("name", flat=True)[:MAX_LINES]
    name_lines = "\n".join(f"- {name}" for name in names)
    url = outbox.absolute_url(problems.partner_page(connection))
    params = _params(connection) | {"retry_time": deadlines.removal_text()}
    return subject, f"{text % params}\n\n{url}\n\n{name_lines}\n"


def _mail_blocked_removals(*, now: datetime) -> None:
    """Mail the admins once a day while removals without a step cannot be sent."""
    blocked_q = Q(ad_account__connection__token_sealed="") | Q(
        ad_account__connection__parked_by=ParkedBy.TOKEN
    )
    blocked_q |= Q(ad_account__is_chosen=False) | Q(ad_account__parked_by=ParkedBy.AD_ACCOUNT)
    batches = Batch.objects.filter(blocked_q, state=Outcome.PENDING, n__gt=0).exclude(
        sync__purpose__in=OF_STEPS
    )
    _enqueue_daily(
        "removals-wait", batches, _blocked_removal_mail, to=recipients.admins_of, now=now
    )


def _blocked_removal_mail(connection: Connection, batches: QuerySet[Batch]) -> Text:
    n = (
        Delivery.objects.filter(batch__in=batches, outcome=None)
        .values("profile")
        .distinct()
        .count()
    )
    subject = _("People who must leave are still in audiences of %(group)s") % _params(connection)
    text = ngettext(
        "%(n)s person was erased here or withdrew their consent, but may still be in audiences at "
        "%(partner)s: we have no access to take them out. Connect %(partner)s or choose the ad "
        "account again; the removal waits for that for %(retry_time)s.",
        "%(n)s people were erased here or withdrew their consent, but may still be in audiences "
        "at %(partner)s: we have no access to take them out. Connect %(partner)s or choose the ad "
        "account again; the removals wait for that for %(retry_time)s.",
        n,
    )
    first_deadline = batches.aggregate(at=Min("deadline_at"))["at"]
    params = _params(connection) | {"n": number_format(n), "retry_time": deadlines.removal_text()}
    parts = [text % params]
    if first_deadline:
        until = _("The first one ends on %(time)s, and is not asked for any more after that.")
        parts.append(until % {"time": risks.local_text(first_deadline, connection.app_group)})
    return (
        subject,
        f"{' '.join(parts)}\n\n{outbox.absolute_url(problems.partner_page(connection))}\n",
    )


def _params(connection: Connection) -> dict[str, str]:
    label = registry.get(connection.partner).label
    return {"partner": label, "group": connection.app_group.name}
