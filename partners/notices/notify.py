"""Write each mail about an incident once to each recipient: begun, reminders, over.

There is a `Notice` for each: its unique constraint lets only one of several workers write it. The
mail goes to the outbox under the key of the notice; its text is updated until it is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from audiencesync.groups import outbox
from audiencesync.groups.mail_model import OutgoingMail
from audiencesync.groups.models import Membership
from partners.health import lines, titles
from partners.incidents import codes, pauses, reminders
from partners.models import AdAccount, Audience, Batch, Connection, Incident, Notice, Outcome, Sync
from partners.notices import recipients, texts

logger = logging.getLogger(__name__)
Kind = Notice.Kind
QUIET_CODES = ("not_connected", "ad_account_disconnected")
"""Codes of incidents that members caused themselves: they have reminders, but no first message."""
MAX_END_AGE = timedelta(days=3)
"""The end of an incident is not notified later than this."""
LOG_WITHIN = timedelta(minutes=2)
"""An incident without a recipient is logged only during this time after its begin."""
MAX_PER_RUN = 100  # incidents


def write(*, now: datetime) -> None:
    """Queue the mails that are due. Delete unsent mails that are no longer needed."""
    note_sent()  # mailing.beat may have sent mails: only their recipients are notified of the end
    _drop_unsent(Q(incident__ended_at__isnull=False) & ~Q(kind=Kind.OVER))
    _drop_unsent(~Q(Exists(_active_membership())))
    for incident in _open_incidents_due(now=now)[:MAX_PER_RUN]:
        kind = _due_kind(incident, now=now)
        if kind is not None:
            _notify(incident, kind, now=now)
    for incidents in _ended_incidents_due(now=now):
        if _works_again(incidents[-1]):
            _notify_over(incidents, now=now)


def note_sent() -> None:
    """Set ``sent_at`` of the notices whose mails the outbox has sent."""
    mails = OutgoingMail.objects.filter(key=OuterRef("mail_key"), sent_at__isnull=False)
    Notice.objects.filter(Exists(mails), sent_at=None).update(
        sent_at=Subquery(mails.values("sent_at")[:1])
    )


def _open_incidents_due(*, now: datetime) -> QuerySet[Incident]:
    """Return the open incidents that may have a message due."""
    notices = Notice.objects.filter(incident=OuterRef("pk"))
    new_q = ~Exists(notices) & ~Q(code__in=QUIET_CODES)
    due_q = Q(Exists(notices.filter(sent_at=None))) | new_q
    for kind in reminders.HOURS:
        this_or_later = reminders.KINDS_IN_ORDER[reminders.KINDS_IN_ORDER.index(kind) :]
        due_q |= reminders.due_q(kind, now=now) & ~Q(Exists(notices.filter(kind__in=this_or_later)))
    rows = Incident.objects.open().filter(due_q)
    # In random order: incidents without a recipient stay due, and would otherwise fill every run.
    return rows.select_related("app_group", *lines.RELATED).order_by("?")


def _due_kind(incident: Incident, *, now: datetime) -> Kind | None:
    """Return the kind of message that is due; else the last one, whose unsent mail is updated."""
    kinds = reminders.KINDS_IN_ORDER
    notices = incident.notices.exclude(kind=Kind.OVER)
    written_kinds = notices.values_list("kind", flat=True).distinct()
    last_index = max((kinds.index(Kind(kind)) for kind in written_kinds), default=-1)
    due_kind = reminders.due_kind(incident, now=now)
    if due_kind is not None and kinds.index(due_kind) > last_index:
        return due_kind
    if last_index >= 0:
        return kinds[last_index]
    return None if incident.code in QUIET_CODES else Kind.BEGUN


def _notify(incident: Incident, kind: Kind, *, now: datetime) -> None:
    """Write the notices of a kind once, and write or update the mails that are not sent."""
    members = recipients.of_incident(incident)
    if not members and incident.begun_at > now - LOG_WITHIN:
        logger.error("Incident %s has no recipient.", incident.pk)
    notices = Notice.objects.filter(incident=incident, kind=kind)
    if not notices.exists():
        _create([incident], kind, members, _key(incident, kind), now=now)
    unsent_user_ids = set(notices.filter(sent_at=None).values_list("user", flat=True))
    unsent = [member for member in members if member.user_id in unsent_user_ids]
    _enqueue(incident, kind, unsent, now=now)


def _notify_over(incidents: Sequence[Incident], *, now: datetime) -> None:
    """Notify the recipients of earlier mails that it is over, in one mail for all ``incidents``."""
    newest, notices = incidents[-1], Notice.objects.filter(incident__in=incidents)
    end_notices = notices.filter(kind=Kind.OVER)
    users = notices.exclude(kind=Kind.OVER).exclude(sent_at=None).values("user")
    memberships = Membership.objects.filter(app_group=newest.app_group_id, user__in=users)
    members = list(memberships.filter(user__is_active=True).select_related("user"))
    if not end_notices.exists():
        _create(incidents, Kind.OVER, members, _key(newest, Kind.OVER), now=now)
    unsent_user_ids = set(end_notices.filter(sent_at=None).values_list("user", flat=True))
    unsent = [member for member in members if member.user_id in unsent_user_ids]
    _enqueue(newest, Kind.OVER, unsent, now=now)


def _key(incident: Incident, kind: Kind) -> str:
    return f"incident-{kind}:{incident.pk}"


def _create(
    incidents: Iterable[Incident],
    kind: Kind,
    members: Iterable[Membership],
    key: str,
    *,
    now: datetime,
) -> None:
    members = list(members)
    Notice.objects.bulk_create(
        [
            Notice(
                incident=incident,
                kind=kind,
                user=member.user,
                mail_key=f"{key}:{member.user_id}",
                created_at=now,
            )
            for incident in incidents
            for member in members
        ],
        ignore_conflicts=True,
    )


def _enqueue(
    incident: Incident, kind: Kind, members: Iterable[Membership], *, now: datetime
) -> None:
    def text_for(recipient: Membership) -> outbox.Text:
        return texts.of_notice(incident, kind, recipient, now=now)

    outbox.enqueue(_key(incident, kind), incident.app_group, members, text_for, now=now)


def _drop_unsent(stale_q: Q) -> None:
    """Delete unsent notices that match, and their mails."""
    rows = Notice.objects.filter(stale_q, sent_at=None)
    keys = list(rows.values_list("mail_key", flat=True))
    if keys:
        # A mail without ``due_at`` was sent or given up.
        OutgoingMail.objects.filter(key__in=keys, due_at__isnull=False).delete()
        Notice.objects.filter(sent_at=None, mail_key__in=keys).delete()


def _active_membership() -> QuerySet[Membership]:
    """Return a subquery: the membership of an outer notice's user, if active in its group."""
    group = OuterRef("incident__app_group")
    return Membership.objects.filter(app_group=group, user=OuterRef("user"), user__is_active=True)


def _ended_incidents_due(*, now: datetime) -> list[list[Incident]]:
    """Return the incidents whose end is to be notified, oldest first.

    There is one list per place, and a separate one per threshold there: the end of a threshold does
    not mean that the place works again.
    """
    notices = Notice.objects.filter(incident=OuterRef("pk"))
    is_notified = Exists(notices.exclude(kind=Kind.OVER).exclude(sent_at=None))
    end_notices = notices.filter(kind=Kind.OVER)
    due_q = ~Exists(end_notices) | Exists(end_notices.filter(sent_at=None))
    final_q = pauses.final_q(now=now)
    rows = Incident.objects.ended().filter(
        final_q, is_notified, due_q, ended_at__gt=now - MAX_END_AGE, app_group__archived_at=None
    )
    incidents_by_place: dict[tuple[str, int, str], list[Incident]] = {}
    for row in rows.select_related("app_group", *lines.RELATED).order_by("pk"):
        threshold_code = row.code if row.code in codes.HOLD_NO_BATCHES else ""
        incidents_by_place.setdefault((row.place, row.place_id, threshold_code), []).append(row)
    return list(incidents_by_place.values())


def _works_again(incident: Incident) -> bool:
    """Return whether the place of an ended incident works again, so that its end is notified."""
    others = Incident.objects.open().filter(**{incident.place: incident.place_id})
    if incident.code in codes.HOLD_NO_BATCHES:
        return not others.filter(code=incident.code).exists()
    if others.exclude(code__in=codes.HOLD_NO_BATCHES).exists():
        return False
    match titles.place_of(incident):
        case Connection() as connection:
            return not codes.of_connection(connection)
        case AdAccount() as ad_account:
            # A backlog that ended because its people were errored is not called over: another mail
            # is about errored people.
            settled = Batch.objects.filter(ad_account=ad_account, settled_at__gt=incident.begun_at)
            errored = settled.filter(state=Outcome.ERRORED, n__gt=0)
            has_errored = incident.code == codes.BACKLOG and errored.exists()
            return not codes.of_ad_account(ad_account) and not has_errored
        case Audience() | Sync():
            return True
