"""Mail problems at a partner to the user who connected, else to the admins: at begin and end.

Besides, once a day: people who missed their deadline, and to the admins removals that failed or
are blocked. The texts are written here; groups/outbox.py sends them.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import F, Min, Q, QuerySet, Sum
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audiencesync.core import beat as clock
from audiencesync.core import deadlines
from audiencesync.groups import outbox
from audiencesync.groups.models import AppGroup, Membership, Role
from audiencesync.groups.outbox import Text
from partners import registry, risks
from partners.connections import mailing, problems
from partners.models import (
    AdAccount,
    Audience,
    Batch,
    Connection,
    Delivery,
    Outcome,
    ParkedBy,
    Sync,
)
from partners.models.batch_queries import OF_STEPS

logger = logging.getLogger(__name__)
LASTING = (ParkedBy.TOKEN, ParkedBy.AD_ACCOUNT, ParkedBy.AUDIENCE_GONE)
AT_ONCE = 50
MOST_LINES = 10
LOOK_BACK = timedelta(hours=1)
DAY_SECONDS = 24 * 3600.0
Place = Connection | AdAccount | Audience


def send_due(*, now: datetime) -> int:
    """Mail problems that began or ended, each once. Return how many mails were sent.

    Only places that live canvases use are mailed about. Refused mails are sent later.
    """
    begun, recovered = _new_troubles(), _recovered()
    _drop_ended()
    for place in begun:
        _enqueue_begun(place, now=now)
    for place in recovered:
        _enqueue_over(place, now=now)
    _mail_missed_deadlines(now=now)
    _mail_failed_removals(now=now)
    _mail_blocked_removals(now=now)
    sent = mailing.send_due(now=now)
    for place in begun:
        _mark_begun(place, now=now)
    for place in recovered:
        _mark_over(place)
    return sent


def _new_troubles() -> list[Place]:
    """Return the places with a lasting problem that was not mailed yet."""
    fresh = Q(parked_by__in=LASTING, alerted_at=None)
    connections = Connection.objects.filter(fresh, ad_accounts__audiences__syncs__is_live=True)
    accounts = AdAccount.objects.filter(fresh, audiences__syncs__is_live=True)
    audiences = Audience.objects.filter(fresh, syncs__is_live=True)
    return [
        *connections.select_related("app_group").distinct()[:AT_ONCE],
        *accounts.select_related("connection__app_group").distinct()[:AT_ONCE],
        *audiences.select_related("ad_account__connection__app_group").distinct()[:AT_ONCE],
    ]


def _recovered() -> list[Place]:
    """Return the places whose mailed problem is over. A disconnect ends no problem."""
    mailed = Q(parked_by="", alerted_at__isnull=False)
    return [
        *Connection.objects.filter(mailed)
        .exclude(token_sealed="")
        .select_related("app_group")[:AT_ONCE],
        *AdAccount.objects.filter(mailed, is_chosen=True).select_related("connection__app_group")[
            :AT_ONCE
        ],
        *Audience.objects.filter(mailed).select_related("ad_account__connection__app_group")[
            :AT_ONCE
        ],
    ]


def _drop_ended() -> None:
    """Delete unsent mails about problems that are over."""
    for model in (Connection, AdAccount, Audience):
        kind = f"begun:{model.__name__}:"
        waiting = outbox.pending_keys(kind)
        if waiting:
            places = {int(key.split(":")[2]) for key in waiting}
            for pk in model._default_manager.filter(pk__in=places, parked_by="").values_list(
                "pk", flat=True
            ):
                outbox.delete(f"{kind}{pk}")


def _key(what: str, place: Place) -> str:
    return f"{what}:{type(place).__name__}:{place.pk}"


def _enqueue_begun(place: Place, *, now: datetime) -> None:
    def words(reader: Membership) -> Text:
        problem = _problem(place, now=now)
        subject = _("%(partner)s needs attention in %(group)s: %(what)s")
        what = _words(_connection(place)) | {"what": _what(place)}
        text = problem.text if problem else what["what"]
        if reader.role != Role.ADMIN and not isinstance(place, Audience):
            text = " ".join([text, _("An admin of this app group can do that.")])
        return subject % what, _body(place, text, _repair_url(place))

    to = recipients(_connection(place))
    _log_if_no_reader(to, place)
    outbox.enqueue(_key("begun", place), _group(place), to, words, now=now)


def _what(place: Place) -> str:
    if isinstance(place, Connection):
        return _("access refused")
    if isinstance(place, AdAccount):
        return _("ad account %(name)s refused") % {"name": place.name}
    return _("audience %(name)s does not exist any more") % {"name": place.name}


def _repair_url(place: Place) -> str:
    """Return the page that mends the problem: of the step for an audience, else the partner's."""
    if isinstance(place, Audience):
        sync = _syncs(place).exclude(url="").first()
        if sync is not None:
            return sync.url
    return problems.partner_page(_connection(place))


def _syncs(place: Place) -> QuerySet[Sync]:
    """Return the Syncs of steps at a place that are live or have pending people."""
    way = {
        Connection: "audience__ad_account__connection",
        AdAccount: "audience__ad_account",
        Audience: "audience",
    }
    mine = Sync.objects.filter(purpose__in=OF_STEPS, **{way[type(place)]: place})
    needed = Q(is_live=True, undoes=None) | Q(tally__pending__gt=0)
    return mine.filter(needed).order_by("-is_live", "pk")


def _canvases(place: Place) -> QuerySet[Batch]:
    return risks.pending_batches().filter(sync__in=_syncs(place))


def _body(place: Place, text: str, url: str) -> str:
    return mail_text(_group(place), text, url, sync_lines(_syncs(place), _canvases(place)))


def mail_text(group: AppGroup, text: str, url: str, lines: list[str]) -> str:
    """Return a mail: the problem, the page that mends it, and the canvases concerned."""
    parts = [text, outbox.absolute_url(url)]
    if lines:
        parts.append("\n".join([_("Canvases and audiences concerned:"), *lines]))
    parts.append(_("Times are those of %(zone)s.") % {"zone": group.time_zone})
    return "\n\n".join(parts) + "\n"


def sync_lines(syncs: QuerySet[Sync], waiting: QuerySet[Batch]) -> list[str]:
    """Return a line per Sync: its label, its people among ``waiting``, its address."""
    people = dict(waiting.order_by().values_list("sync").annotate(total=Sum("n")))
    found = []
    for sync in syncs[:MOST_LINES]:
        n = people.get(sync.pk, 0)
        words = {"label": sync.label, "n": number_format(n), "url": outbox.absolute_url(sync.url)}
        found.append(
            ngettext("- %(label)s: %(n)s person, %(url)s", "- %(label)s: %(n)s people, %(url)s", n)
            % words
        )
    return found


def _enqueue_over(place: Place, *, now: datetime) -> None:
    def words(reader: Membership) -> Text:
        subject = _("%(partner)s works again in %(group)s") % _words(_connection(place))
        n = _canvases(place).aggregate(n=Sum("n"))["n"] or 0
        text = _("%(what)s: this is over. You need not do anything.") % {"what": _what(place)}
        sent = ngettext(
            "%(n)s person who waits is sent now.", "%(n)s people who wait are sent now.", n
        )
        text = f"{text} {sent % {'n': number_format(n)}}" if n else text
        return subject, _body(place, text, problems.partner_page(_connection(place)))

    outbox.enqueue(_over_key(place), _group(place), recipients(_connection(place)), words, now=now)


def _over_key(place: Place) -> str:
    return f"{_key('over', place)}:{place.alerted_at:%Y%m%d%H%M%S%f}"


def _mark_begun(place: Place, *, now: datetime) -> None:
    """Record the problem as mailed once its mails were sent."""
    if outbox.is_done(_key("begun", place)):
        type(place)._default_manager.filter(pk=place.pk, alerted_at=None).update(alerted_at=now)


def _mark_over(place: Place) -> None:
    if outbox.is_done(_over_key(place)):
        rows = type(place)._default_manager.filter(
            pk=place.pk, parked_by="", alerted_at=place.alerted_at
        )
        if rows.update(alerted_at=None):
            outbox.delete(_key("begun", place))


def _expired(*, now: datetime) -> QuerySet[Batch]:
    """Return the batches that recently missed their deadline."""
    errored = Batch.objects.filter(state=Outcome.ERRORED, settled_at__gte=now - LOOK_BACK, n__gt=0)
    return errored.filter(settled_at__gte=F("deadline_at"))


def _today(now: datetime) -> int:
    return clock.slot_at(now.timestamp(), DAY_SECONDS)


def _enqueue_daily(
    what: str,
    batches: QuerySet[Batch],
    words: Callable[[Connection, QuerySet[Batch]], Text],
    *,
    to: Callable[[Connection], list[Membership]],
    now: datetime,
) -> None:
    """Write about the connections of these batches, each once a day and reader."""
    connections = Connection.objects.filter(pk__in=batches.values("ad_account__connection"))
    for connection in connections.select_related("app_group"):
        mine, readers = batches.filter(ad_account__connection=connection), to(connection)

        def written(
            _reader: Membership, connection: Connection = connection, mine: QuerySet[Batch] = mine
        ) -> Text:
            return words(connection, mine)

        _log_if_no_reader(readers, connection)
        outbox.enqueue(
            f"{what}:{connection.pk}:{_today(now)}", connection.app_group, readers, written, now=now
        )


def _mail_missed_deadlines(*, now: datetime) -> None:
    """Mail about people who missed their deadline, once a day."""
    over = _expired(now=now).filter(sync__purpose__in=OF_STEPS)
    _enqueue_daily("given-up", over, _missed_deadline_mail, to=recipients, now=now)


def _missed_deadline_mail(connection: Connection, over: QuerySet[Batch]) -> Text:
    n = over.aggregate(n=Sum("n"))["n"] or 0
    batch = over.select_related("sync").order_by("-settled_at").first()
    subject = _("People were not sent to %(partner)s in %(group)s") % _words(connection)
    text = ngettext(
        "%(partner)s did not take %(n)s person within %(patience)s (until %(time)s), so they "
        "count as errored. Nobody is lost: open the step, see why, and send them again with Try "
        "again once the trouble is over.",
        "%(partner)s did not take %(n)s people within %(patience)s (until %(time)s), so they "
        "count as errored. Nobody is lost: open the step, see why, and send them again with Try "
        "again once the trouble is over.",
        n,
    )
    at = batch.settled_at if batch and batch.settled_at else None
    words = _words(connection) | {"n": number_format(n), "patience": deadlines.delivery()}
    words["time"] = risks.clock(at, connection.app_group) if at else ""
    syncs = Sync.objects.filter(pk__in=over.values("sync")).order_by("pk")
    url = batch.sync.url if batch else "/"
    return subject, mail_text(connection.app_group, text % words, url, sync_lines(syncs, over))


def _mail_failed_removals(*, now: datetime) -> None:
    """Mail the admins about removals without a step that missed their deadline, once a day."""
    over = _expired(now=now).exclude(sync__purpose__in=OF_STEPS)
    _enqueue_daily("not-taken-out", over, _failed_removal_mail, to=_admins, now=now)


def _failed_removal_mail(connection: Connection, over: QuerySet[Batch]) -> Text:
    subject = _("People were not taken out of audiences of %(group)s") % _words(connection)
    text = _(
        "People who were erased or withdrew their consent may still be in audiences at "
        "%(partner)s: it took no removal of them for %(patience)s, and none is sent any more. Look "
        "there which audiences can go."
    )
    names = Audience.objects.filter(pk__in=over.values("audience")).values_list("name", flat=True)[
        :MOST_LINES
    ]
    listed = "\n".join(f"- {name}" for name in names)
    url = outbox.absolute_url(problems.partner_page(connection))
    words = _words(connection) | {"patience": deadlines.removal()}
    return subject, f"{text % words}\n\n{url}\n\n{listed}\n"


def _mail_blocked_removals(*, now: datetime) -> None:
    """Mail the admins once a day while removals without a step cannot be sent."""
    barred = Q(ad_account__connection__token_sealed="") | Q(
        ad_account__connection__parked_by=ParkedBy.TOKEN
    )
    barred |= Q(ad_account__is_chosen=False) | Q(ad_account__parked_by=ParkedBy.AD_ACCOUNT)
    waiting = Batch.objects.filter(barred, state=Outcome.PENDING, n__gt=0).exclude(
        sync__purpose__in=OF_STEPS
    )
    _enqueue_daily("removals-wait", waiting, _blocked_removal_mail, to=_admins, now=now)


def _blocked_removal_mail(connection: Connection, waiting: QuerySet[Batch]) -> Text:
    n = (
        Delivery.objects.filter(batch__in=waiting, outcome=None)
        .values("profile")
        .distinct()
        .count()
    )
    subject = _("People who must leave are still in audiences of %(group)s") % _words(connection)
    text = ngettext(
        "%(n)s person was erased here or withdrew their consent, but may still be in audiences at "
        "%(partner)s: we have no access to take them out. Connect %(partner)s or choose the ad "
        "account again; the removal waits for that for %(patience)s.",
        "%(n)s people were erased here or withdrew their consent, but may still be in audiences "
        "at %(partner)s: we have no access to take them out. Connect %(partner)s or choose the ad "
        "account again; the removals wait for that for %(patience)s.",
        n,
    )
    ends_at = waiting.aggregate(at=Min("deadline_at"))["at"]
    words = _words(connection) | {"n": number_format(n), "patience": deadlines.removal()}
    parts = [text % words]
    if ends_at:
        until = _("The first one ends on %(time)s, and is not asked for any more after that.")
        parts.append(until % {"time": risks.clock(ends_at, connection.app_group)})
    return (
        subject,
        f"{' '.join(parts)}\n\n{outbox.absolute_url(problems.partner_page(connection))}\n",
    )


def _words(connection: Connection) -> dict[str, str]:
    label = registry.get(connection.partner).label
    return {"partner": label, "group": connection.app_group.name}


def _problem(place: Place, *, now: datetime) -> problems.Problem | None:
    if isinstance(place, Connection):
        return problems.of_connection(place, now=now)
    if isinstance(place, AdAccount):
        return problems.of_ad_account(place)
    return problems.of_audience(place, now=now)


def _connection(place: Place) -> Connection:
    if isinstance(place, Connection):
        return place
    return place.connection if isinstance(place, AdAccount) else place.ad_account.connection


def _group(place: Place) -> AppGroup:
    return _connection(place).app_group


def recipients(connection: Connection) -> list[Membership]:
    """Return the user who connected, if an active member of the group; else its active admins."""
    members = _active(connection)
    return list(members.filter(user=connection.connected_by_id)) or list(
        members.filter(role=Role.ADMIN)
    )


def _admins(connection: Connection) -> list[Membership]:
    return list(_active(connection).filter(role=Role.ADMIN))


def _active(connection: Connection) -> QuerySet[Membership]:
    members = Membership.objects.filter(app_group=connection.app_group_id, user__is_active=True)
    return members.select_related("user").order_by("pk")


def _log_if_no_reader(readers: list[Membership], place: Place) -> None:
    if not readers:
        logger.error("The mail about %s has no recipient.", place)
