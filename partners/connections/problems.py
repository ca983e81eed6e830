"""Problems of a connection, ad account, audience or Sync: derived on each read, never stored.

A place is a connection, an ad account or an audience, here from the widest to the narrowest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from partners import registry, risks
from partners.catalogue.incidents import ENTRIES
from partners.incidents import codes
from partners.models import AdAccount, Audience, Connection, Sync
from partners.risks import Risk

SYNC_RELATED = "audience__ad_account__connection__app_group"
"""Pass this to select_related() before calling `of_sync` for many."""
AUDIENCE_FIELD = "#id_audience_name"
"""The field of the step editor in which another audience is chosen."""


class Severity(StrEnum):
    """DANGER: nothing is sent until a user acts. WARNING: it ends without help."""

    DANGER = "danger"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem in words for a marketer. ``url``: the page on which it can be solved.

    ``short``: only what to do, for a card. ``button``: the label of the link to ``url``.
    """

    code: str
    text: str
    url: str
    severity: Severity = Severity.DANGER
    short: str = ""
    button: str = ""


def of_connection(
    connection: Connection, *, risk: Risk | None = None, lacks_key: bool = False
) -> Problem | None:
    """Return the problem of a connection: no token, refused, or not decrypted by our keys.

    ``risk``: the people it stops; by default all of the connection. ``lacks_key``: no machine can
    decrypt the token.
    """
    code = codes.of_connection(connection, lacks_key=lacks_key)
    if not code:
        return None
    risk = risks.of_place(connection) if risk is None else risk
    partner = registry.get(connection.partner)
    params = {
        "partner": partner.label,
        "reason": partner.access_lost,
        "time": risk.deadline_text(connection.app_group),
    }
    return _problem(code, params, partner_page(connection), risk)


def of_ad_account(ad_account: AdAccount, *, risk: Risk | None = None) -> Problem | None:
    """Return the problem of an ad account that was disconnected or is refused by the partner."""
    code = codes.of_ad_account(ad_account)
    if not code:
        return None
    risk = risks.of_place(ad_account) if risk is None else risk
    url, group = partner_page(ad_account.connection), ad_account.connection.app_group
    params = {"name": ad_account.name, "partner": registry.get(ad_account.connection.partner).label}
    params["time"] = risk.deadline_text(group)
    return _problem(code, params, url, risk)


def of_audience(audience: Audience, *, risk: Risk | None = None) -> Problem | None:
    """Return the problem of an audience: not created, gone, or taking no people."""
    code = codes.of_audience(audience)
    if not code:
        return None
    params = {
        "name": audience.name,
        "partner": registry.get(audience.ad_account.connection.partner).label,
    }
    url = _audiences_page(audience.ad_account)
    if code == "audience_not_created":
        entry = ENTRIES[code]
        return Problem(code, entry.text(params), url, button=str(entry.button) % params)
    risk = risks.of_place(audience) if risk is None else risk
    params["time"] = risk.deadline_text(audience.ad_account.connection.app_group)
    params["reason"] = gettext(audience.why_not) if audience.why_not else ""
    return _problem(code, params, url, risk)


def _problem(code: str, params: Mapping[str, object], url: str, risk: Risk) -> Problem:
    """Return a problem in words: its cause, what to do, and what happens otherwise."""
    entry = ENTRIES[code]
    short = f"{entry.what_to_do(params, by_a_time=bool(risk.people))} {risk.consequence_text}"
    text, button = f"{str(entry.cause) % params} {short}", str(entry.button) % params
    return Problem(code, text, url, short=short, button=button)


def of_sync(sync: Sync) -> Problem | None:
    """Return the first problem of a Sync, the widest place first; warnings last.

    The people of the Sync are counted only if there is a problem. The url of a problem of the
    audience leads to the step, where another audience is chosen.
    """
    if not any(_problems_by_place(sync, Risk())):
        return None
    problems = filter(None, _problems_by_place(sync, risks.of_sync(sync)))
    # False sorts before True: warnings come last. `min` keeps the order of the places otherwise.
    return min(problems, key=lambda problem: problem.severity is Severity.WARNING)


def _problems_by_place(sync: Sync, risk: Risk) -> tuple[Problem | None, ...]:
    """Return the problems of connection, ad account and audience of a Sync, None for each without.

    ``risk``: the people of the Sync. With an empty risk, no text names people, and nothing is read.
    """
    ad_account = sync.audience.ad_account
    audience_problem = of_audience(sync.audience, risk=risk)
    if audience_problem is not None and sync.url:
        audience_problem = replace(audience_problem, url=sync.url + AUDIENCE_FIELD)
    return (
        of_connection(ad_account.connection, risk=risk),
        of_ad_account(ad_account, risk=risk),
        audience_problem,
    )


def severity_of(sync: Sync) -> Severity | None:
    """Return the worst severity, or None. Makes no query, for lists."""
    problems = filter(None, _problems_by_place(sync, Risk()))
    severities = {problem.severity for problem in problems}
    if Severity.DANGER in severities:
        return Severity.DANGER
    return Severity.WARNING if severities else None


def of_former(sync: Sync, n: int) -> Problem | None:
    """Return what blocks ``n`` people who are pending in a Sync that its step no longer uses."""
    problem = of_sync(sync)
    if problem is None:
        return None
    risk, connection = risks.of_sync(sync), sync.audience.ad_account.connection
    params = {"n": number_format(n), "name": sync.audience.name, "problem": problem.text}
    params |= {
        "partner": registry.get(connection.partner).label,
        "time": risk.deadline_text(connection.app_group),
    }
    if problem.code not in ("audience_gone", "audience_not_appendable"):
        text = ngettext(
            "%(n)s person still waits for the audience %(name)s, which this component had before. "
            "%(problem)s",
            "%(n)s people still wait for the audience %(name)s, which this component had before. "
            "%(problem)s",
            n,
        )
        return replace(problem, text=text % params, short="")
    waits = ngettext(
        "%(n)s person still waits for the audience %(name)s, which %(partner)s no longer lets us "
        "use.",
        "%(n)s people still wait for the audience %(name)s, which %(partner)s no longer lets us "
        "use.",
        n,
    )
    if risk.people:
        short = gettext(
            "Decide here by %(time)s what becomes of them; otherwise they count as errored."
        )
    else:
        short = gettext("Decide here what becomes of them.")
    return replace(problem, text=f"{waits} {short}" % params, short=short % params)


def partner_page(connection: Connection) -> str:
    """Return the page on which an admin connects and chooses ad accounts."""
    return reverse("partner", args=[connection.app_group.slug, connection.partner])


def _audiences_page(ad_account: AdAccount) -> str:
    connection = ad_account.connection
    return reverse("audiences", args=[connection.app_group.slug, connection.partner, ad_account.pk])
