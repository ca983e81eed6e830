"""What each number, reason and error means, where it comes from, and what to do.

Texts may name %(partner)s, %(patience)s (how long a delivery is retried), %(min)s (matched people
from which a size is shown), %(from)s and %(to)s (hours that matching takes).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

from audiencesync.core import deadlines
from canvases import reasons
from canvases.analytics import METRICS
from canvases.steps.base import Text
from partners.base import Partner
from partners.errors import DISCONNECTED, RejectedCause, RetryCause
from partners.models import Reason
from partners.why_pending import NO_ANSWER

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
            "again: for %(patience)s at most."
        ),
        _("Nothing, unless the card names a problem: it then says until when to act."),
    ),
    Entry(
        "errored",
        METRICS["errored"],
        _(
            "People whom %(partner)s did not accept within %(patience)s, for example because the "
            "access was withdrawn or the audience was deleted, or whose data it refused."
        ),
        _("Fix what the reason names, then press Try again: they are pending again."),
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
        _(
            "The access to %(partner)s is stored encrypted. This installation was started without "
            "the key that encrypted it (TOKEN_KEYS)."
        ),
        _("Ask the operator to add that key. If it is lost, connect %(partner)s again."),
    ),
    Entry(
        reasons.own_key("disconnected"),
        reasons.OWN_CODES["disconnected"],
        _("%(partner)s was disconnected, and no one connected it again within %(patience)s."),
        _("Connect %(partner)s again, then press Try again at the component."),
    ),
    Entry(
        NO_ANSWER,
        _("No clear answer"),
        _(
            "%(partner)s did not answer, or not in a way that we could read: the network, its "
            "servers or a firewall may be the cause."
        ),
        _("Nothing at first: we try again for %(patience)s, and no one is counted twice."),
    ),
    Entry(
        reasons.NO_REASON,
        reasons.NO_REASON_TEXT,
        _("An older version of AudienceSync kept no reason for these people."),
        _("Press Try again at the component; the reason is noted from now on."),
    ),
)
ERRORS = (
    Entry(
        DISCONNECTED,
        _("Access refused"),
        _("%(partner)s no longer accepts our access: it was withdrawn, changed, or has expired."),
        _(
            "An admin of the app group connects %(partner)s again. People who wait are sent then, "
            "and nothing in the canvases needs a change."
        ),
    ),
    Entry(
        RejectedCause.AD_ACCOUNT,
        _("Ad account refused"),
        _("The ad account is not active, or the connected user may not manage it."),
        _(
            "Check at %(partner)s the state of the ad account and the role of the connected user, "
            "or connect with another user."
        ),
    ),
    Entry(
        RejectedCause.AUDIENCE_GONE,
        _("Audience gone"),
        _("The audience was deleted at %(partner)s or has expired there."),
        _(
            "Choose or create another audience in the component. You are asked whether the people "
            "who wait move to it."
        ),
    ),
    Entry(
        RejectedCause.CONTENT,
        _("Data refused"),
        _("%(partner)s refused the data of at least one person in the request."),
        _(
            "Nothing at first: we send smaller and smaller portions until the people concerned are "
            "found; only they are errored. Check their values."
        ),
    ),
    Entry(
        RejectedCause.PARTIAL,
        _("Partly accepted"),
        _("%(partner)s accepted some people of a request and refused the others."),
        _("Check the values of the people who are errored; all others were sent."),
    ),
    Entry(
        RejectedCause.TOO_MANY,
        _("Too many at once"),
        _("The request had more people or audiences than %(partner)s accepts in one."),
        _("Nothing: we send smaller portions, and no one is lost."),
    ),
    Entry(
        RetryCause.THROTTLED_APP,
        _("Slow down"),
        _("This installation has sent as many requests as %(partner)s allows."),
        _("Nothing: people wait and are sent soon. No one is lost."),
    ),
    Entry(
        RetryCause.THROTTLED_AD_ACCOUNT,
        _("Slow down for this ad account"),
        _("The ad account has sent as many requests as it may; other programs may share them."),
        _("Nothing: people wait and are sent soon. No one is lost."),
    ),
    Entry(
        RetryCause.TRANSIENT,
        _("Problem at %(partner)s"),
        _("The servers of %(partner)s failed or are being maintained."),
        _(
            "Nothing: we try again for %(patience)s. People not accepted by then count as errored "
            "and can be sent again with Try again."
        ),
    ),
    Entry(
        RetryCause.UNKNOWN,
        _("Perhaps done already"),
        _("%(partner)s may have applied the request, but did not say so clearly."),
        _("Nothing: we send it again, which changes nothing there, and no one is counted twice."),
    ),
    Entry(
        RejectedCause.AUTH_CODE,
        _("Confirmation used or too old"),
        _("The confirmation that %(partner)s gave while connecting works once and for minutes."),
        _("Start connecting again. Nothing was stored."),
    ),
    Entry(
        RejectedCause.OTHER,
        _("Request refused"),
        _("%(partner)s understood the request and refused it for a reason that is rare."),
        _("Give the code and the request id to your support: trying again does not help here."),
    ),
    Entry(
        RetryCause.UNKNOWN_CODE,
        _("Unknown answer"),
        _("%(partner)s gave a code that this version does not know."),
        _(
            "Nothing at first: we try again for %(patience)s. If it stays, give the code and the "
            "request id to your support."
        ),
    ),
)


def numbers(partner: Partner) -> list[Entry]:
    """Return the numbers of a component, in the order in which a card shows them."""
    return _worded(NUMBERS, partner)


def reasons_of(partner: Partner) -> list[Entry]:
    """Return why people are not sent, or were not sent to the end: our own reasons."""
    advice = ADVICE | reasons.ADVICE
    found = [Entry(one, one.label, CAUSES[one], advice[one]) for one in Reason]
    return _worded((*found, *OWN_CODES), partner)


def errors(partner: Partner) -> list[Entry]:
    """Return what the partner's answers mean, each with its codes."""
    return [
        Entry(one.key, one.title, one.cause, one.remedy, partner.codes.get(one.key, ()))
        for one in _worded(ERRORS, partner)
    ]


def _worded(entries: Iterable[Entry], partner: Partner) -> list[Entry]:
    first, last = partner.matching_hours
    words = {
        "partner": partner.label,
        "patience": deadlines.delivery(),
        "min": number_format(partner.smallest_audience),
        "from": first,
        "to": last,
    }
    return [
        Entry(one.key, str(one.title) % words, str(one.cause) % words, str(one.remedy) % words)
        for one in entries
    ]
