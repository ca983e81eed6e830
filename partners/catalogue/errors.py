"""Cause of an error of a call to a partner (partners/errors.py) -> its texts for marketers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from partners.catalogue.incidents import ENTRIES as INCIDENTS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Entry:
    """The texts of one error.

    ``sentence``: for step cards; what happened, what to do, and whether people are lost.
    """

    title: StrOrPromise
    cause: StrOrPromise
    remedy: StrOrPromise
    sentence: StrOrPromise


ENTRIES = {
    "disconnected": Entry(
        _("Access refused"),
        INCIDENTS["token_refused"].meaning,
        INCIDENTS["token_refused"].remedy,
        _(
            "%(partner)s no longer accepts our access. Reconnect %(partner)s: people who wait are "
            "sent then. People who have waited %(retry_time)s count as errored and can be sent "
            "again with Retry."
        ),
    ),
    "ad_account": Entry(
        _("Ad account refused"),
        INCIDENTS["ad_account_refused"].meaning,
        INCIDENTS["ad_account_refused"].remedy,
        _(
            "%(partner)s does not let us use this ad account. Check at %(partner)s that it is "
            "active and that the connected user may manage it. People who have waited "
            "%(retry_time)s count as errored and can be sent again with Retry."
        ),
    ),
    "audience_gone": Entry(
        _("Audience gone"),
        INCIDENTS["audience_gone"].meaning,
        INCIDENTS["audience_gone"].remedy,
        _(
            "The audience no longer exists at %(partner)s. Choose or create another one in the "
            "component. People who have waited %(retry_time)s count as errored and can be sent "
            "again with Retry."
        ),
    ),
    "content": Entry(
        _("Data refused"),
        _("%(partner)s refused the data of at least one person in the request."),
        _(
            "Nothing at first: we send smaller and smaller portions until the people concerned are "
            "found; only they are errored. Check their values."
        ),
        _(
            "%(partner)s refused some of the data. We look for the people concerned: they are "
            "counted as errored, all others are sent."
        ),
    ),
    "partial": Entry(
        _("Partly accepted"),
        _("%(partner)s accepted some people of a request and refused the others."),
        _("Check the values of the people who are errored; all others were sent."),
        _(
            "%(partner)s accepted only a part of the people. The refused ones are counted as "
            "errored, all others were sent."
        ),
    ),
    "too_many": Entry(
        _("Too many at once"),
        _("The request had more people or audiences than %(partner)s accepts in one."),
        _("Nothing: we send smaller portions, and no one is lost."),
        _(
            "%(partner)s accepts fewer people at once. You need not do anything: we send "
            "smaller portions. No one is lost."
        ),
    ),
    "throttled_app": Entry(
        _("Slow down"),
        _("This installation has sent as many requests as %(partner)s allows."),
        _("Nothing: people wait and are sent soon. No one is lost."),
        _(
            "%(partner)s asks us to slow down. You need not do anything: people wait and are "
            "sent soon. No one is lost."
        ),
    ),
    "throttled_ad_account": Entry(
        _("Slow down for this ad account"),
        _("The ad account has sent as many requests as it may; other programs may share them."),
        _("Nothing: people wait and are sent soon. No one is lost."),
        _(
            "%(partner)s asks us to slow down for this ad account. You need not do anything: "
            "people wait and are sent soon. No one is lost."
        ),
    ),
    "transient": Entry(
        _("Problem at %(partner)s"),
        _("The servers of %(partner)s failed or are being maintained."),
        _(
            "Nothing: we try again for %(retry_time)s. People not accepted by then count as "
            "errored and can be sent again with Retry."
        ),
        _(
            "%(partner)s has a problem on its side. You need not do anything: we try again for "
            "%(retry_time)s. People not accepted by then count as errored and can be sent again "
            "with Retry."
        ),
    ),
    "unknown": Entry(
        _("Perhaps done already"),
        _("%(partner)s may have applied the request, but did not say so clearly."),
        _("Nothing: we send it again, which changes nothing there, and no one is counted twice."),
        _(
            "%(partner)s did not answer clearly. You need not do anything: we try again for "
            "%(retry_time)s, and no one is counted twice. People not accepted by then count as "
            "errored and can be sent again with Retry."
        ),
    ),
    "auth_code": Entry(
        _("Confirmation used or too old"),
        _("The confirmation that %(partner)s gave while connecting works once and for minutes."),
        _("Start connecting again. Nothing was stored."),
        _(
            "The confirmation from %(partner)s was used already or is too old. Start "
            "connecting again. Nothing was stored and no one is lost."
        ),
    ),
    "other": Entry(
        _("Request refused"),
        _("%(partner)s understood the request and refused it for a reason that is rare."),
        _("Give the code and the request id to your support: trying again does not help here."),
        _(
            "%(partner)s refused the request (code %(code)s). Trying again does not help here: "
            "tell your support. People who could not be sent are counted as errored and can be "
            "sent again with Retry."
        ),
    ),
    "unknown_code": Entry(
        _("Unknown answer"),
        _("%(partner)s gave a code that this version does not know."),
        _(
            "Nothing at first: we try again for %(retry_time)s. If it stays, give the code and the "
            "request id to your support."
        ),
        _(
            "%(partner)s gave an answer that we do not know yet (code %(code)s). We try again "
            "for %(retry_time)s; people not accepted by then count as errored and can be sent "
            "again with Retry. If it stays, tell your support."
        ),
    ),
}
