"""The troubles that are thresholds, in words: nothing is broken, but people may be lost."""

from __future__ import annotations

from django.utils.translation import gettext

from partners import registry
from partners.connections import problems
from partners.connections.problems import Problem, Severity
from partners.models import AdAccount
from partners.risks import Risk


def of_backlog(ad_account: AdAccount, risk: Risk) -> Problem | None:
    """Return that sending to an ad account fails; None if no people wait any more."""
    if not risk.people:
        return None
    connection = ad_account.connection
    words = {
        "partner": registry.get(connection.partner).label,
        "name": ad_account.name,
        "time": risk.by(connection.app_group),
    }
    text = gettext(
        "%(partner)s does not take people into the ad account %(name)s: our requests fail. We try "
        "again by ourselves; if it stays, tell your support. Who was not taken by %(time)s counts "
        "as errored."
    )
    url = problems.partner_page(connection)
    return Problem("backlog", text % words, url, Severity.WARNING)
