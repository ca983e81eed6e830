"""The troubles that are thresholds, in words: nothing is broken, but people may be lost."""

from __future__ import annotations

from collections.abc import Callable

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from partners import registry
from partners.connections import problems
from partners.connections.problems import Problem, Severity
from partners.health import titles
from partners.incidents import codes, thresholds
from partners.models import AdAccount, Incident
from partners.risks import Risk


def _of_backlog(incident: Incident, risk: Risk) -> Problem | None:
    """Return that sending to an ad account fails; None if no people wait any more."""
    if not risk.people:
        return None
    connection = titles.connection_of(titles.place_of(incident))
    text = gettext(
        "%(partner)s does not take people into the ad account %(name)s: our requests fail. We "
        "keep trying; if it stays, tell your support. People not accepted by %(time)s count "
        "as errored."
    )
    words = titles.words(incident) | {"time": risk.by(connection.app_group)}
    return _problem(incident, text % words, problems.partner_page(connection))


def _of_error_share(incident: Incident, risk: Risk) -> Problem | None:
    text = gettext(
        "More than %(percent)s %% of the people of %(name)s counted as errored within two hours. "
        "Open the component to see the reasons and what to do; then send them again."
    )
    words = titles.words(incident) | {
        "percent": str(thresholds.of_group(incident.app_group).error_percent)
    }
    url = incident.sync.url if incident.sync else ""
    return _problem(incident, text % words, url)


def _of_nearly_full(incident: Incident, risk: Risk) -> Problem | None:
    account = incident.ad_account
    if account is None:
        return None
    most = registry.get(account.connection.partner).max_audiences_per_ad_account
    text = gettext(
        "The ad account %(name)s has %(n)s of %(most)s audiences. When it is full, none can be "
        "created: delete those that no canvas needs."
    )
    words = titles.words(incident) | {
        "n": number_format(account.n_audiences or 0),
        "most": number_format(most),
    }
    return _problem(incident, text % words, _audiences_page(account))


def _of_too_small(incident: Incident, risk: Risk) -> Problem | None:
    audience = incident.audience
    if audience is None:
        return None
    partner = registry.get(audience.ad_account.connection.partner)
    limits = thresholds.of_group(incident.app_group)
    if limits.fewest_people is None:
        text = gettext(
            "%(partner)s matched %(n)s people of the audience %(name)s after more than 48 hours; "
            "ads run from about %(least)s. Add more people, or send more fields to match."
        )
    else:
        text = gettext(
            "%(partner)s matched %(n)s people of the audience %(name)s after more than 48 hours; "
            "your app group asks for %(least)s. Add more people, or send more fields to match."
        )
    words = titles.words(incident) | {
        "n": number_format(audience.size or 0),
        "least": number_format(limits.least(partner)),
    }
    return _problem(incident, text % words, _audiences_page(audience.ad_account))


def _of_held(incident: Incident, risk: Risk) -> Problem | None:
    text = ngettext(
        "%(n)s person left the segment of %(name)s at once. The removal from the audience waits "
        "until a marketer or admin confirms it. Everything else goes on.",
        "%(n)s people left the segment of %(name)s at once. The removal from the audience waits "
        "until a marketer or admin confirms it. Everything else goes on.",
        incident.people,
    )
    words = titles.words(incident) | {"n": number_format(incident.people)}
    page = incident.sync.url.split("?")[0] if incident.sync else ""
    return _problem(incident, text % words, f"{page}#brake")


def _problem(incident: Incident, text: str, url: str) -> Problem:
    return Problem(incident.code, text, url, Severity.WARNING)


def _audiences_page(account: AdAccount) -> str:
    connection = account.connection
    return reverse("audiences", args=[connection.app_group.slug, connection.partner, account.pk])


OF_CODE: dict[str, Callable[[Incident, Risk], Problem | None]] = {
    codes.BACKLOG: _of_backlog,
    codes.REMOVALS_HELD: _of_held,
    codes.ERROR_SHARE: _of_error_share,
    codes.NEARLY_FULL: _of_nearly_full,
    codes.TOO_SMALL: _of_too_small,
}
