"""Write each message about an incident once to each recipient: begun, running out, over.

A row of `Notice` decides: the constraint lets one of several workers write it. The mail goes to
the outbox under its key, where it gets the newest text until it is sent.
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
QUIET = ("not_connected", "ad_account_disconnected")
"""Codes of what members did themselves: only people running out of time are worth a message."""
LOOK_BACK = timedelta(days=3)
NEW = timedelta(minutes=2)
AT_ONCE = 100


def write(*, now: datetime) -> None:
    """Queue what is due; drop unsent mails that are of no use any more."""
    note_sent()  # Some were sent by the beat of mails: their recipients are notified of the end.
    _drop(Q(incident__ended_at__isnull=False) & ~Q(kind=Kind.OVER))
    _drop(~Q(Exists(_membership())))
    for incident in _open(now=now)[:AT_ONCE]:
        kind = _due(incident, now=now)
        if kind is not None:
            _notify(incident, kind, now=now)
    for incidents in _ended(now=now):
        if _is_well(incidents[-1]):
            _notify_over(incidents, now=now)


def note_sent() -> None:
    """Copy to the notices when the outbox has sent their mails."""
    mails = OutgoingMail.objects.filter(key=OuterRef("mail_key"), sent_at__isnull=False)
    Notice.objects.filter(Exists(mails), sent_at=None).update(
        sent_at=Subquery(mails.values("sent_at")[:1])
    )


def _open(*, now: datetime) -> QuerySet[Incident]:
    """Return the open incidents that may have a message due."""
    notified = Notice.objects.filter(incident=OuterRef("pk"))
    fresh = ~Exists(notified) & ~Q(code__in=QUIET)
    due = Q(Exists(notified.filter(sent_at=None))) | fresh
    for kind in reminders.HOURS:
        from_here = reminders.ORDER[reminders.ORDER.index(kind) :]
        due |= reminders.may_be_due(kind, now=now) & ~Q(Exists(notified.filter(kind__in=from_here)))
    rows = Incident.objects.open().filter(due)
    # In any order: those without a recipient stay due, and must not take the turns of all others.
    return rows.select_related("app_group", *lines.RELATED).order_by("?")


def _due(incident: Incident, *, now: datetime) -> Kind | None:
    """Return the message that is due, or the last one while its mail is not sent."""
    order = reminders.ORDER
    written = incident.notices.exclude(kind=Kind.OVER).values_list("kind", flat=True).distinct()
    last = max((order.index(Kind(kind)) for kind in written), default=-1)
    level = reminders.level(incident, now=now)
    if level is not None and order.index(level) > last:
        return level
    if last >= 0:
        return order[last]
    return None if incident.code in QUIET else Kind.BEGUN


def _notify(incident: Incident, kind: Kind, *, now: datetime) -> None:
    """Write the notices of a kind once, and the mails of those that are not sent."""
    members = recipients.of_incident(incident)
    if not members and incident.begun_at > now - NEW:
        logger.error("Incident %s has no recipient.", incident.pk)
    mine = Notice.objects.filter(incident=incident, kind=kind)
    if not mine.exists():
        _create([incident], kind, members, _key(incident, kind), now=now)
    unsent = set(mine.filter(sent_at=None).values_list("user", flat=True))
    _enqueue(incident, kind, [one for one in members if one.user_id in unsent], now=now)


def _notify_over(incidents: Sequence[Incident], *, now: datetime) -> None:
    """Notify those who were notified of a trouble that it is over, in one mail for one place."""
    newest, notified = incidents[-1], Notice.objects.filter(incident__in=incidents)
    over = notified.filter(kind=Kind.OVER)
    users = notified.exclude(kind=Kind.OVER).exclude(sent_at=None).values("user")
    members = Membership.objects.filter(app_group=newest.app_group_id, user__in=users)
    members_before = list(members.filter(user__is_active=True).select_related("user"))
    if not over.exists():
        _create(incidents, Kind.OVER, members_before, _key(newest, Kind.OVER), now=now)
    unsent = set(over.filter(sent_at=None).values_list("user", flat=True))
    _enqueue(newest, Kind.OVER, [one for one in members_before if one.user_id in unsent], now=now)


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
                user=one.user,
                mail_key=f"{key}:{one.user_id}",
                created_at=now,
            )
            for incident in incidents
            for one in members
        ],
        ignore_conflicts=True,
    )


def _enqueue(
    incident: Incident, kind: Kind, members: Iterable[Membership], *, now: datetime
) -> None:
    def written(recipient: Membership) -> outbox.Text:
        return texts.of_notice(incident, kind, recipient, now=now)

    outbox.enqueue(_key(incident, kind), incident.app_group, members, written, now=now)


def _drop(stale: Q) -> None:
    """Delete unsent messages that match; they reached no one."""
    rows = Notice.objects.filter(stale, sent_at=None)
    keys = list(rows.values_list("mail_key", flat=True))
    if keys:
        OutgoingMail.objects.filter(key__in=keys, due_at__isnull=False).delete()
        Notice.objects.filter(sent_at=None, mail_key__in=keys).delete()


def _membership() -> QuerySet[Membership]:
    """Return the membership by which the recipient of a notice is still a member."""
    group = OuterRef("incident__app_group")
    return Membership.objects.filter(app_group=group, user=OuterRef("user"), user__is_active=True)


def _ended(*, now: datetime) -> list[list[Incident]]:
    """Return the incidents whose end is to be notified, oldest first.

    One list for each place, and one for each threshold there: its end says nothing about the place.
    """
    mine = Notice.objects.filter(incident=OuterRef("pk"))
    notified = Exists(mine.exclude(kind=Kind.OVER).exclude(sent_at=None))
    over = mine.filter(kind=Kind.OVER)
    due = ~Exists(over) | Exists(over.filter(sent_at=None))
    final = pauses.is_final(now=now)
    rows = Incident.objects.ended().filter(
        final, notified, due, ended_at__gt=now - LOOK_BACK, app_group__archived_at=None
    )
    found: dict[tuple[str, int, str], list[Incident]] = {}
    for row in rows.select_related("app_group", *lines.RELATED).order_by("pk"):
        threshold = row.code if row.code in codes.HOLD_NO_BATCHES else ""
        found.setdefault((row.place, row.place_id, threshold), []).append(row)
    return list(found.values())


def _is_well(incident: Incident) -> bool:
    """Return whether the place works again, or nothing needs it any more."""
    others = Incident.objects.open().filter(**{incident.place: incident.place_id})
    if incident.code in codes.HOLD_NO_BATCHES:
        return not others.filter(code=incident.code).exists()
    if others.exclude(code__in=codes.HOLD_NO_BATCHES).exists():
        return False
    match titles.place_of(incident):
        case Connection() as connection:
            return not codes.of_connection(connection)
        case AdAccount() as ad_account:
            # People who were errored are notified of by a mail of their own.
            since = Batch.objects.filter(ad_account=ad_account, settled_at__gt=incident.begun_at)
            lost = since.filter(state=Outcome.ERRORED, n__gt=0)
            is_lost = incident.code == codes.BACKLOG and lost.exists()
            return not codes.of_ad_account(ad_account) and not is_lost
        case Audience() | Sync():
            return True
