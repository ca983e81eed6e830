"""The texts of mails about incidents, in the language that is active."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Min, Q, QuerySet, Sum
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audiencesync.groups import outbox
from audiencesync.groups.models import AppGroup, Membership, Role
from audiencesync.groups.outbox import Text
from partners import risks
from partners.health import lines, titles
from partners.health.lines import Line
from partners.incidents import codes, reminders
from partners.models import Batch, Incident, Notice, Sync
from partners.models.batch_queries import OF_STEPS

MAX_LINES = 10  # Syncs that a mail names
# When one of these incidents, or one of a connection, is over, the mail says that the partner works
# again.
ACCESS_CODES = ("ad_account_disconnected", "ad_account_refused", codes.BACKLOG)
Kind = Notice.Kind


def of_notice(incident: Incident, kind: Kind, recipient: Membership, *, now: datetime) -> Text:
    """Return subject and body of a mail."""
    if kind == Kind.OVER:
        return _over_mail(incident)
    line = lines.of_incident(incident)
    if kind in reminders.HOURS:
        return _reminder_mail(incident, kind, line, now=now)
    return _begun_mail(incident, line, recipient)


def _begun_mail(incident: Incident, line: Line | None, recipient: Membership) -> Text:
    subject = _("%(partner)s needs attention in %(group)s: %(what)s") % _params(incident)
    text = line.problem.text if line else titles.title(incident)
    if line and line.is_for_admins and recipient.role != Role.ADMIN:
        text = " ".join([text, _("An admin of this app group can do that.")])
    return subject, _body(incident, text, _url(incident, line))


def _over_mail(incident: Incident) -> Text:
    params = _params(incident)
    is_about_access = incident.connection_id is not None or incident.code in ACCESS_CODES
    subject = _("Over in %(group)s: %(what)s")
    if is_about_access:
        subject = _("%(partner)s works again in %(group)s")
    text = _("%(what)s: this is over. You need not do anything.") % params
    n = reminders.released_batches(incident).aggregate(n=Sum("n"))["n"] or 0
    sent = ngettext("%(n)s person who waits is sent now.", "%(n)s people who wait are sent now.", n)
    text = f"{text} {sent % {'n': number_format(n)}}" if n else text
    return subject % params, _body(incident, text, _url(incident, None))


def _reminder_mail(incident: Incident, kind: Kind, line: Line | None, *, now: datetime) -> Text:
    batches = reminders.batches(incident, kind, now=now)
    totals = batches.aggregate(first_deadline=Min("deadline_at"), n_people=Sum("n"))
    n = totals["n_people"] or 0
    # The mail may be written when the time is nearly up: never "in 0 minutes".
    first = max(totals["first_deadline"] or now, now + timedelta(minutes=1))
    group = incident.app_group
    subject = _("People will soon count as errors in %(group)s") % {"group": group.name}
    text = ngettext(
        "%(n)s person counts as errored on %(time)s, in %(left)s, because %(partner)s has not "
        "taken them.",
        "%(n)s people begin to count as errored on %(time)s, in %(left)s, because %(partner)s has "
        "not taken them.",
        n,
    )
    params = _params(incident) | {
        "time": risks.local_text(first, group),
        "left": timeuntil(first, now),
    }
    parts = [text % (params | {"n": number_format(n)})]
    if line is not None:
        parts.append(line.problem.text)
    parts.append(_("Fix it before then, or send them again with Retry afterwards."))
    syncs = Sync.objects.filter(pk__in=batches.values("sync")).order_by("pk")
    return subject, mail_text(
        group, " ".join(parts), _url(incident, line), sync_lines(syncs, batches)
    )


def _params(incident: Incident) -> dict[str, str]:
    names = {"group": incident.app_group.name, "what": titles.subject(incident)}
    return titles.params(incident) | names


def _url(incident: Incident, line: Line | None) -> str:
    """Return the page on which the incident can be solved; the page Health once it is over."""
    return line.problem.url if line else reverse("health", args=[incident.app_group.slug])


SYNC_PATHS = {
    "connection": "audience__ad_account__connection",
    "ad_account": "audience__ad_account",
    "audience": "audience",
    "sync": "pk",
}
"""The place of an incident -> the path from a Sync to it."""


def _body(incident: Incident, text: str, url: str) -> str:
    syncs = Sync.objects.filter(
        purpose__in=OF_STEPS, **{SYNC_PATHS[incident.place]: incident.place_id}
    )
    syncs = syncs.filter(Q(is_live=True, undoes=None) | Q(tally__pending__gt=0))
    syncs = syncs.order_by("-is_live", "pk")
    batches = None
    if incident.code not in codes.HOLD_NO_BATCHES:
        batches = risks.batches_of(incident).filter(sync__in=syncs)
    return mail_text(incident.app_group, text, url, sync_lines(syncs, batches))


def mail_text(group: AppGroup, text: str, url: str, lines: list[str]) -> str:
    """Return the body of a mail: the problem, the page to solve it on, the canvases concerned."""
    parts = [text, outbox.absolute_url(url)]
    if lines:
        parts.append("\n".join([_("Canvases and audiences concerned:"), *lines]))
    parts.append(_("Times are those of %(zone)s.") % {"zone": group.time_zone})
    return "\n\n".join(parts) + "\n"


def sync_lines(syncs: QuerySet[Sync], batches: QuerySet[Batch] | None) -> list[str]:
    """Return a line per Sync: its label, how many people of ``batches`` are in it, its address.

    Without ``batches``, no number of people is given.
    """
    if batches is None:
        return [f"- {sync.label}: {outbox.absolute_url(sync.url)}" for sync in syncs[:MAX_LINES]]
    n_people_of = dict(batches.order_by().values_list("sync").annotate(total=Sum("n")))
    lines = []
    for sync in syncs[:MAX_LINES]:
        n = n_people_of.get(sync.pk, 0)
        params = {"label": sync.label, "n": number_format(n), "url": outbox.absolute_url(sync.url)}
        lines.append(
            ngettext("- %(label)s: %(n)s person, %(url)s", "- %(label)s: %(n)s people, %(url)s", n)
            % params
        )
    return lines
