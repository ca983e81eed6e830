"""Words for troubles that begin at a threshold: nothing is broken, but people may be lost.

The texts are in catalogue/incidents.py; this module adds the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.urls import reverse
from django.utils.formats import number_format

from partners import registry
from partners.catalogue.incidents import ENTRIES
from partners.connections import problems
from partners.connections.problems import Problem, Severity
from partners.health import titles
from partners.incidents import codes, thresholds
from partners.models import AdAccount, Incident
from partners.risks import Risk


def _of_backlog(incident: Incident, risk: Risk) -> Problem | None:
    """Return the warning that sending to an ad account fails; None if no people wait any more."""
    if not risk.people:
        return None
    connection = titles.connection_of(titles.place_of(incident))
    params = {"time": risk.deadline_text(connection.app_group)}
    return _problem(incident, params, problems.partner_page(connection), by_a_time=True)


def _of_error_share(incident: Incident, risk: Risk) -> Problem | None:
    percent = thresholds.of_group(incident.app_group).error_percent
    return _problem(incident, {"percent": str(percent)}, incident.sync.url if incident.sync else "")


def _of_nearly_full(incident: Incident, risk: Risk) -> Problem | None:
    account = incident.ad_account
    if account is None:
        return None
    max_audiences = registry.get(account.connection.partner).max_audiences_per_ad_account
    params = {"n": number_format(account.n_audiences or 0), "most": number_format(max_audiences)}
    return _problem(incident, params, _audiences_page(account))


def _of_too_small(incident: Incident, risk: Risk) -> Problem | None:
    audience = incident.audience
    if audience is None:
        return None
    partner = registry.get(audience.ad_account.connection.partner)
    limits = thresholds.of_group(incident.app_group)
    params = {
        "n": number_format(audience.size or 0),
        "least": number_format(limits.min_people(partner)),
    }
    is_own_limit = limits.fewest_people is not None
    url = _audiences_page(audience.ad_account)
    return _problem(incident, params, url, is_own_limit=is_own_limit)


def _of_held(incident: Incident, risk: Risk) -> Problem | None:
    page = incident.sync.url.split("?")[0] if incident.sync else ""
    params = {"n": number_format(incident.people), "count": incident.people}
    return _problem(incident, params, f"{page}#brake")


def _problem(
    incident: Incident,
    numbers: Mapping[str, object],
    url: str,
    *,
    by_a_time: bool = False,
    is_own_limit: bool = False,
) -> Problem:
    params = {**titles.params(incident), **numbers}
    text = ENTRIES[incident.code].text(params, by_a_time=by_a_time, is_own_limit=is_own_limit)
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
