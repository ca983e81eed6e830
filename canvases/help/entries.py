"""What each number, reason, incident and error means, where it comes from, and what to do.

The words for incidents and errors come from partners/catalogue. Texts may name %(partner)s,
%(retry_time)s (how long a delivery is retried), %(min)s (matched people from which a size is
shown), %(from)s and %(to)s (hours that matching takes), and what the catalogue's may name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

from audiencesync.core import deadlines
from canvases import reasons
from canvases.analytics import METRICS
from canvases.steps.base import Text
from partners.base import Partner
from partners.catalogue.errors import ENTRIES as ERRORS
from partners.catalogue.incidents import ENTRIES as INCIDENTS
from partners.health import titles
from partners.incidents import thresholds
from partners.models import Reason
from partners.why_pending import NO_ANSWER

UNNAMED = "…"
WAITING = "waiting"
CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Entry:
    """``key``: its anchor on the page. ``codes``: the partner's answers that it stands for."""

    key: str
    title: Text
    cause: Text
    remedy: Text
    codes: tuple[str, ...] = ()


NUMBERS = (
    Entry(
        "entered",
        METRICS["entered"],
        _("People who have reached this component since the launch; each counts once per visit."),
        _(
            "Fewer than expected? “Who would be sent” counts who would enter now, and the "
            "components before this one show who still waits there."
        ),
    ),
    Entry(
        "proceeded",
        METRICS["proceeded"],
        _("People who went on to the next component of their branch."),
        _("0 at the last component of a branch: from there people exit the canvas."),
    ),
    Entry(
        "synced",
        METRICS["synced"],
        _(
            "People whom %(partner)s has accepted. Accepted is not matched: %(partner)s never says "
            "whom it found among its users."
        ),
        _(
            "Look at the size of the audience at %(partner)s %(from)s to %(to)s hours later; it is "
            "shown from about %(min)s matched people."
        ),
    ),
    Entry(
        "not_synced",
        METRICS["not_synced"],
        _(
            "People who were not sent, because a field to match is missing or invalid, or because "
            "they may not be sent. This is final for their visit."
        ),
        _(
            "The number leads to the reasons and the people. Correct the values or choose more "
            "fields to match; people who enter later are sent then."
        ),
    ),
    Entry(
        "pending",
        METRICS["pending"],
        _(
            "People who are collected and sent in the next seconds, or for whom we still try "
            "again: for %(retry_time)s at most."
        ),
        _("Nothing, unless the card names a problem: it then says until when to act."),
    ),
    Entry(
        "errored",
        METRICS["errored"],
        _(
            "People whom %(partner)s did not accept within %(retry_time)s, for example because the "
            "access was withdrawn or the audience was deleted, or whose data it refused."
        ),
        _("Fix what the reason names, then press Retry: they are pending again."),
    ),
    Entry(
        "exited",
        METRICS["exited"],
        _(
            "People who left the canvas at this component, because it is the last of its branch or "
            "because an exit rule applied."
        ),
        _("Nothing. People who left count neither as lost nor as errored."),
    ),
    Entry(
        WAITING,
        _("Waiting here"),
        _("People who wait for the end of a delay or for what the component waits for."),
        _("Nothing. Stopping the canvas does not lose them: they go on after it is started again."),
    ),
    Entry(
        CANCELLED,
        _("Cancelled"),
        _(
            "People who were pending and were not sent, because a member discarded them, they were "
            "erased, or a later component asked for the opposite."
        ),
        _("Nothing, unless they were discarded by mistake: the activity log names who did it."),
    ),
)
ADVICE: dict[str, Text] = {
    Reason.ERASED: _("Nothing: people who were erased are removed from the audiences, too."),
    Reason.SUPERSEDED: _("Nothing: the later component decides, and only its request was sent."),
    Reason.DISCARDED: _("The activity log names who discarded them and when."),
    Reason.MOVED: _("Nothing: they count at the component's new audience."),
}
CAUSES: dict[Reason, Text] = {
    Reason.NO_IDENTIFIER: _("The profile has no value in any of the fields chosen to match."),
    Reason.INVALID_VALUE: _(
        "There is a value, but it is not a valid e-mail address, phone number or device ID, "
        "or it is only a placeholder."
    ),
    Reason.NO_CONSENT: _("The group adds only people who have consented to advertising."),
    Reason.AD_TRACKING_OFF: _(
        "Their device says that it may not be used for advertising, and the component matches by "
        "device IDs only."
    ),
    Reason.ERASED: _("The profile was erased before it was sent."),
    Reason.SUPERSEDED: _(
        "The same person reached a component that asks for the opposite at the same audience."
    ),
    Reason.DISCARDED: _("A member of this app group chose to discard people who were pending."),
    Reason.MOVED: _("The audience of the component was changed while they were pending."),
    Reason.WANTED_ELSEWHERE: _(
        "They left, but another component with the same audience still wants them there."
    ),
}
OWN_CODES = (
    Entry(
        reasons.own_key("sealed"),
        reasons.OWN_CODES["sealed"],
        INCIDENTS["sealed"].meaning,
        INCIDENTS["sealed"].remedy,
    ),
    Entry(
        reasons.own_key("disconnected"),
        reasons.OWN_CODES["disconnected"],
        _("%(partner)s was disconnected, and no one connected it again within %(retry_time)s."),
        INCIDENTS["not_connected"].remedy,
    ),
    Entry(
        NO_ANSWER,
        _("No clear answer"),
        _(
            "%(partner)s did not answer, or not in a way that we could read: the network, its "
            "servers or a firewall may be the cause."
        ),
        _("Nothing at first: we try again for %(retry_time)s, and no one is counted twice."),
    ),
    Entry(
        reasons.NO_REASON,
        reasons.NO_REASON_TEXT,
        _("An older version of AudienceSync kept no reason for these people."),
        _("Press Retry at the component; the reason is noted from now on."),
    ),
)
REASONS: dict[str, Text] = {
    "audience_not_appendable": _("its type or its state does not allow it."),
}
"""Incident -> a general text for %(reason)s. For other incidents, the reason is lost access."""


def numbers(partner: Partner) -> list[Entry]:
    """Return the numbers of a component, in the order in which a card shows them."""
    return _with_words(NUMBERS, partner)


def reasons_of(partner: Partner) -> list[Entry]:
    """Return our own reasons why people are not synced or were cancelled, not the partner's."""
    advice = ADVICE | reasons.ADVICE
    entries = [Entry(reason, reason.label, CAUSES[reason], advice[reason]) for reason in Reason]
    return _with_words((*entries, *OWN_CODES), partner)


def errors(partner: Partner) -> list[Entry]:
    """Return what the partner's answers mean, each with its codes."""
    return [
        replace(entry, codes=partner.codes.get(entry.key, ()))
        for entry in _with_words(
            (Entry(key, entry.title, entry.cause, entry.remedy) for key, entry in ERRORS.items()),
            partner,
        )
    ]


def incidents(partner: Partner) -> list[Entry]:
    """Return the problems that Health, banners and mails name."""
    entries = []
    for code, text in INCIDENTS.items():
        entry = Entry(titles.help_key(code), text.title, text.meaning, text.remedy)
        entries += _with_words([entry], partner, reason=REASONS.get(code))
    return entries


def _with_words(
    entries: Iterable[Entry], partner: Partner, *, reason: Text | None = None
) -> list[Entry]:
    """Fill a partner's words into entries, and "…" where an incident names a place or number."""
    first, last = partner.matching_hours
    params: dict[str, object] = {
        "name": UNNAMED,
        "n": UNNAMED,
        "count": 2,
        "percent": thresholds.MAX_ERRORED_PERCENT,
        "most": number_format(partner.max_audiences_per_ad_account),
        "least": number_format(partner.smallest_audience),
        "reason": partner.access_lost if reason is None else reason,
        "partner": partner.label,
        "retry_time": deadlines.delivery_text(),
        "min": number_format(partner.smallest_audience),
        "from": first,
        "to": last,
    }
    return [
        Entry(
            entry.key, entry.title % params, entry.cause % params, (entry.remedy % params).strip()
        )
        for entry in entries
    ]
