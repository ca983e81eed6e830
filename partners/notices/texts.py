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

MOST_LINES = 10
OF_ACCESS = ("ad_account_disconnected", "ad_account_refused", codes.BACKLOG)
Kind = Notice.Kind


def of_notice(incident: Incident, kind: Kind, recipient: Membership, *, now: datetime) -> Text:
    """Return subject and body of a mail."""
    if kind == Kind.OVER:
        return _over(incident)
    line = lines.of_incident(incident, now=now)
    if kind in reminders.HOURS:
        return _running_out(incident, kind, line, now=now)
    return _begun(incident, line, recipient)


def _begun(incident: Incident, line: Line | None, recipient: Membership) -> Text:
    subject = _("%(partner)s needs attention in %(group)s: %(what)s") % _words(incident)
    text = line.problem.text if line else titles.title(incident)
    if line and line.is_for_admins and recipient.role != Role.ADMIN:
        text = " ".join([text, _("An admin of this app group can do that.")])
    return subject, _body(incident, text, _url(incident, line))


def _over(incident: Incident) -> Text:
    words = _words(incident)
    is_of_access = incident.connection_id is not None or incident.code in OF_ACCESS
    subject = _("Over in %(group)s: %(what)s")
    if is_of_access:
        subject = _("%(partner)s works again in %(group)s")
    text = _("%(what)s: this is over. You need not do anything.") % words
    n = reminders.held_no_more(incident).aggregate(n=Sum("n"))["n"] or 0
    sent = ngettext("%(n)s person who waits is sent now.", "%(n)s people who wait are sent now.", n)
    text = f"{text} {sent % {'n': number_format(n)}}" if n else text
    return subject % words, _body(incident, text, _url(incident, None))


def _running_out(incident: Incident, kind: Kind, line: Line | None, *, now: datetime) -> Text:
    soon = reminders.batches(incident, kind, now=now)
    found = soon.aggregate(first=Min("deadline_at"), n=Sum("n"))
    n, first = found["n"] or 0, max(found["first"] or now, now + timedelta(minutes=1))
    group = incident.app_group
    subject = _("People will soon count as errors in %(group)s") % {"group": group.name}
    text = ngettext(
        "%(n)s person counts as errored on %(time)s, in %(left)s, because %(partner)s has not "
        "taken them.",
        "%(n)s people begin to count as errored on %(time)s, in %(left)s, because %(partner)s has "
        "not taken them.",
        n,
    )
    words = _words(incident) | {"time": risks.clock(first, group), "left": timeuntil(first, now)}
    parts = [text % (words | {"n": number_format(n)})]
    if line is not None:
        parts.append(line.problem.text)
    parts.append(_("Fix it before then, or send them again with Retry afterwards."))
    syncs = Sync.objects.filter(pk__in=soon.values("sync")).order_by("pk")
    return subject, mail_text(group, " ".join(parts), _url(incident, line), sync_lines(syncs, soon))


def _words(incident: Incident) -> dict[str, str]:
    named = {"group": incident.app_group.name, "what": titles.subject(incident)}
    return titles.words(incident) | named


def _url(incident: Incident, line: Line | None) -> str:
    """Return the page that cures it; that of the group's health once it is over."""
    return line.problem.url if line else reverse("health", args=[incident.app_group.slug])


PATHS = {
    "connection": "audience__ad_account__connection",
    "ad_account": "audience__ad_account",
    "audience": "audience",
    "sync": "pk",
}
"""The place of an incident -> the path from a Sync to it."""


def _body(incident: Incident, text: str, url: str) -> str:
    mine = Sync.objects.filter(purpose__in=OF_STEPS, **{PATHS[incident.place]: incident.place_id})
    needed = mine.filter(Q(is_live=True, undoes=None) | Q(tally__pending__gt=0))
    syncs = needed.order_by("-is_live", "pk")
    waiting = None
    if incident.code not in codes.HOLD_NO_BATCHES:
        waiting = risks.batches_of(incident).filter(sync__in=needed)
    return mail_text(incident.app_group, text, url, sync_lines(syncs, waiting))


def mail_text(group: AppGroup, text: str, url: str, lines: list[str]) -> str:
    """Return a mail: the problem, the page that mends it, and the canvases concerned."""
    parts = [text, outbox.absolute_url(url)]
    if lines:
        parts.append("\n".join([_("Canvases and audiences concerned:"), *lines]))
    parts.append(_("Times are those of %(zone)s.") % {"zone": group.time_zone})
    return "\n\n".join(parts) + "\n"


def sync_lines(syncs: QuerySet[Sync], waiting: QuerySet[Batch] | None) -> list[str]:
    """Return a line per Sync: its label, its people among ``waiting``, its address.

    Without ``waiting``, no people are named.
    """
    if waiting is None:
        return [f"- {one.label}: {outbox.absolute_url(one.url)}" for one in syncs[:MOST_LINES]]
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
