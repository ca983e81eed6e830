"""Mails about troubles at a partner, to who connected or else to the admins: one when it begins, one when it is over.

And one a day at most where people were given up, whatever the trouble was; one a day to the admins while somebody who was
erased, or withdrew their consent, cannot be taken out.
"""

import logging
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import F, Q, QuerySet
from django.utils import translation
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audiencesync import beat as clock
from audiencesync.groups.models import AppGroup, Membership, Role, User
from partners import problems
from partners.models import AdAccount, Audience, Batch, Connection, Delivery, Outcome, ParkedBy, Sync

logger = logging.getLogger(__name__)
LASTING = (ParkedBy.TOKEN, ParkedBy.AD_ACCOUNT, ParkedBy.AUDIENCE_GONE)
AT_ONCE = 50
LOOK_BACK = timedelta(hours=1)
DAY_SECONDS = 24 * 3600.0
Place = Connection | AdAccount | Audience


def send_due(*, now: datetime) -> int:
    """Mail what has begun and what is over, each once however many workers look; answers how many mails went out.

    Only troubles of what live canvases use are mailed.
    """
    begun: list[Place] = [
        *Connection.objects.filter(parked_by__in=LASTING, alerted_at=None, ad_accounts__audiences__syncs__is_live=True)
        .select_related("app_group")
        .distinct()[:AT_ONCE],
        *AdAccount.objects.filter(parked_by__in=LASTING, alerted_at=None, audiences__syncs__is_live=True)
        .select_related("connection__app_group")
        .distinct()[:AT_ONCE],
        *Audience.objects.filter(parked_by__in=LASTING, alerted_at=None, syncs__is_live=True)
        .select_related("ad_account__connection__app_group")
        .distinct()[:AT_ONCE],
    ]
    n_begun, n_over = sum(_begun(place, now=now) for place in begun), sum(_over(place) for place in _recovered())
    return n_begun + n_over + _given_up(now=now) + _not_taken_out(now=now) + _removals_wait(now=now)


def _time_ran_out(*, now: datetime) -> QuerySet[Batch]:
    """Whom the partner did not take until their deadline, lately."""
    errored = Batch.objects.filter(state=Outcome.ERRORED, settled_at__gte=now - LOOK_BACK, n__gt=0)
    return errored.filter(settled_at__gte=F("deadline_at"))


def _mailed_today(batches: QuerySet[Batch], what: str, *, now: datetime) -> list[Connection]:
    """The connections of these batches that nobody has mailed about ``what`` today; from now on somebody has."""
    connections = Connection.objects.filter(pk__in=batches.values("ad_account__connection"))
    day = clock.slot_at(now.timestamp(), DAY_SECONDS)
    return [one for one in connections.select_related("app_group") if clock.claim(f"{what}:{one.pk}", day)]


def _given_up(*, now: datetime) -> int:
    """Mail about them, each connection once a day; answers how many mails went out."""
    over = _time_ran_out(now=now).filter(sync__purpose=Sync.Purpose.STEP)
    claimed = _mailed_today(over, "given-up", now=now)
    for connection in claimed:
        batch = over.filter(ad_account__connection=connection).select_related("sync").first()
        with translation.override(settings.LANGUAGE_CODE):
            subject = _("People were not sent to TikTok in %(group)s") % {"group": connection.app_group.name}
            text = _(
                "TikTok did not take them within 13 hours, so they are counted as errored. Nobody is lost: open the "
                "step, see why, and send them again once the trouble is over."
            )
            mail(connection, subject, text, batch.sync.url if batch else "/")
    return len(claimed)


def _not_taken_out(*, now: datetime) -> int:
    """Mail the admins about removals that we asked for ourselves and gave up, once a day; answers how many mails."""
    claimed = _mailed_today(_time_ran_out(now=now).exclude(sync__purpose=Sync.Purpose.STEP), "not-taken-out", now=now)
    for connection in claimed:
        with translation.override(settings.LANGUAGE_CODE):
            subject = _("People were not taken out of audiences of %(group)s") % {"group": connection.app_group.name}
            text = _(
                "People who were erased or withdrew their consent may still be in audiences at TikTok: it took no "
                "removal of them for %(days)s days, and none is sent any more. Look there which audiences can go."
            )
            mail(connection, subject, text % _patience(), problems.partner_page(connection), to=_admins(connection))
    return len(claimed)


def _removals_wait(*, now: datetime) -> int:
    """Mail the admins of a group each day on which people whom we must take out are barred; answers how many mails."""
    barred = Q(ad_account__connection__token_sealed="") | Q(ad_account__connection__parked_by=ParkedBy.TOKEN)
    barred |= Q(ad_account__is_chosen=False) | Q(ad_account__parked_by=ParkedBy.AD_ACCOUNT)
    waiting = Batch.objects.filter(barred, state=Outcome.PENDING, n__gt=0).exclude(sync__purpose=Sync.Purpose.STEP)
    claimed = _mailed_today(waiting, "removals-wait", now=now)
    return sum(_removal_waits(one, waiting.filter(ad_account__connection=one)) for one in claimed)


def _removal_waits(connection: Connection, waiting: QuerySet[Batch]) -> bool:
    n = Delivery.objects.filter(batch__in=waiting, outcome=None).values("profile").distinct().count()
    with translation.override(settings.LANGUAGE_CODE):
        subject = _("People who must leave are still in audiences of %(group)s") % {"group": connection.app_group.name}
        text = ngettext(
            "%(n)s person was erased here or withdrew their consent, but may still be in audiences at TikTok: we have "
            "no access to take them out. Connect TikTok or choose the ad account again; the removal waits for that for "
            "%(days)s days.",
            "%(n)s people were erased here or withdrew their consent, but may still be in audiences at TikTok: we have "
            "no access to take them out. Connect TikTok or choose the ad account again; the removals wait for that for "
            "%(days)s days.",
            n,
        )
        words = {"n": number_format(n)} | _patience()
        return mail(connection, subject, text % words, problems.partner_page(connection), to=_admins(connection))


def _patience() -> dict[str, int]:
    """How long a removal that we ask for ourselves is tried."""
    return {"days": round(settings.SYNC["erasure_deadline"] / DAY_SECONDS)}


def _admins(connection: Connection) -> list[str]:
    return _emails(Membership.objects.filter(app_group=connection.app_group_id, role=Role.ADMIN))


def _recovered() -> list[Place]:
    """Where a mailed trouble is over. A disconnect ends none: it only takes the way away."""
    mailed = Q(parked_by="", alerted_at__isnull=False)
    return [
        *Connection.objects.filter(mailed).exclude(token_sealed="").select_related("app_group")[:AT_ONCE],
        *AdAccount.objects.filter(mailed, is_chosen=True).select_related("connection__app_group")[:AT_ONCE],
        *Audience.objects.filter(mailed).select_related("ad_account__connection__app_group")[:AT_ONCE],
    ]


def _begun(place: Place, *, now: datetime) -> bool:
    """Claim the incident, then mail it."""
    if not type(place)._default_manager.filter(pk=place.pk, alerted_at=None).update(alerted_at=now):
        return False
    with translation.override(settings.LANGUAGE_CODE):
        problem = _problem(place, now=now)
        subject = _("TikTok needs attention in %(group)s") % {"group": _group(place).name}
        return mail(place, subject, problem.text if problem else "", problem.url if problem else "/")


def _over(place: Place) -> bool:
    """Claim the end of the incident, then mail it."""
    rows = type(place)._default_manager.filter(pk=place.pk, parked_by="").exclude(alerted_at=None)
    if not rows.update(alerted_at=None):
        return False
    with translation.override(settings.LANGUAGE_CODE):
        subject = _("TikTok works again in %(group)s") % {"group": _group(place).name}
        return mail(place, subject, _("People who waited are sent again. You need not do anything."), "/")


def _problem(place: Place, *, now: datetime) -> problems.Problem | None:
    if isinstance(place, Connection):
        return problems.of_connection(place, now=now)
    if isinstance(place, AdAccount):
        return problems.of_ad_account(place, now=now)
    return problems.of_audience(place, now=now)


def _connection(place: Place) -> Connection:
    if isinstance(place, Connection):
        return place
    return place.connection if isinstance(place, AdAccount) else place.ad_account.connection


def _group(place: Place) -> AppGroup:
    return _connection(place).app_group


def recipients(connection: Connection) -> list[str]:
    """Who connected, if still an active member of the group; else all its active admins."""
    members = Membership.objects.filter(app_group=connection.app_group_id)
    return _emails(members.filter(user=connection.connected_by_id)) or _emails(members.filter(role=Role.ADMIN))


def _emails(members: QuerySet[Membership]) -> list[str]:
    active = User.objects.filter(memberships__in=members, is_active=True)
    return list(active.values_list("email", flat=True))


def mail(place: Place, subject: str, text: str, url: str, *, to: list[str] | None = None) -> bool:
    """Mail who looks after ``place``; whether it went out. A mail server that is away hinders nothing."""
    to, subject = recipients(_connection(place)) if to is None else to, " ".join(subject.split())
    if not to:
        logger.error("Nobody would receive the mail about %s.", place)
        return False
    try:
        for address in to:
            send_mail(subject, f"{text}\n\n{settings.SITE_URL}{url}\n", None, [address])
    except (OSError, SMTPException) as error:  # its words repeat the address
        logger.error("A mail about %s could not be sent (%s).", place, type(error).__name__)
        return False
    return True
