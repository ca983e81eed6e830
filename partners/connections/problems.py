"""Problems of a connection, ad account, audience or Sync: derived on each read, never stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
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
    """A problem in words for a marketer. ``url``: the page that mends it.

    ``short``: only what to do, for a card. ``button``: the label of the link to ``url``.
    """

    code: str
    text: str
    url: str
    severity: Severity = Severity.DANGER
    short: str = ""
    button: str = ""


def of_connection(
    connection: Connection, *, now: datetime, risk: Risk | None = None, is_stuck: bool = False
) -> Problem | None:
    """Return the problem of a connection: missing, refused, or not opened by our keys.

    ``risk``: the people it stops; all of the connection unless given. ``is_stuck``: see
    `codes.of_connection`.
    """
    code = codes.of_connection(connection, is_stuck=is_stuck)
    if not code:
        return None
    risk = risks.of_place(connection) if risk is None else risk
    partner = registry.get(connection.partner)
    words = {
        "partner": partner.label,
        "reason": partner.access_lost,
        "time": risk.by(connection.app_group),
    }
    return _problem(code, words, partner_page(connection), risk)


def of_ad_account(ad_account: AdAccount, *, risk: Risk | None = None) -> Problem | None:
    """Return the problem of an ad account that was disconnected or is refused by the partner."""
    code = codes.of_ad_account(ad_account)
    if not code:
        return None
    risk = risks.of_place(ad_account) if risk is None else risk
    url, group = partner_page(ad_account.connection), ad_account.connection.app_group
    words = {"name": ad_account.name, "partner": registry.get(ad_account.connection.partner).label}
    words["time"] = risk.by(group)
    return _problem(code, words, url, risk)


def of_audience(audience: Audience, *, now: datetime, risk: Risk | None = None) -> Problem | None:
    """Return the problem of an audience: not created, gone, or taking no people."""
    code = codes.of_audience(audience)
    if not code:
        return None
    words = {
        "name": audience.name,
        "partner": registry.get(audience.ad_account.connection.partner).label,
    }
    url = _audiences_page(audience.ad_account)
    if code == "audience_not_created":
        entry = ENTRIES[code]
        return Problem(code, entry.text(words), url, button=str(entry.button) % words)
    risk = risks.of_place(audience) if risk is None else risk
    words["time"] = risk.by(audience.ad_account.connection.app_group)
    words["reason"] = gettext(audience.why_not) if audience.why_not else ""
    return _problem(code, words, url, risk)


def _problem(code: str, words: Mapping[str, object], url: str, risk: Risk) -> Problem:
    """Return a problem with its cause, what to do, and what happens otherwise."""
    entry = ENTRIES[code]
    short = f"{entry.what_to_do(words, by_a_time=bool(risk.people))} {risk.otherwise}"
    text, button = f"{str(entry.cause) % words} {short}", str(entry.button) % words
    return Problem(code, text, url, short=short, button=button)


def of_sync(sync: Sync, *, now: datetime) -> Problem | None:
    """Return the first problem of a Sync, the widest place first; warnings last.

    Its people are counted only if there is a problem. The url of a problem of its audience leads to
    the step, where another audience is chosen.
    """
    if not any(_at_each_place(sync, Risk(), now=now)):
        return None
    found = filter(None, _at_each_place(sync, risks.of_sync(sync), now=now))
    return min(found, key=lambda problem: problem.severity is Severity.WARNING)


def _at_each_place(sync: Sync, risk: Risk, *, now: datetime) -> tuple[Problem | None, ...]:
    """Return the problems of connection, ad account and audience of a Sync, None for each without.

    ``risk``: the people of the Sync. With an empty one, no text names people, and nothing is read.
    """
    ad_account = sync.audience.ad_account
    of_its_audience = of_audience(sync.audience, now=now, risk=risk)
    if of_its_audience is not None and sync.url:
        of_its_audience = replace(of_its_audience, url=sync.url + AUDIENCE_FIELD)
    return (
        of_connection(ad_account.connection, now=now, risk=risk),
        of_ad_account(ad_account, risk=risk),
        of_its_audience,
    )


def severity_of(sync: Sync, *, now: datetime) -> Severity | None:
    """Return the worst severity, for lists: without a query and without texts."""
    found = [problem.severity for problem in _at_each_place(sync, Risk(), now=now) if problem]
    return min(found, key=lambda severity: severity is Severity.WARNING) if found else None


def of_former(sync: Sync, n: int, *, now: datetime) -> Problem | None:
    """Return what blocks ``n`` people pending in a Sync that its step no longer uses."""
    found = of_sync(sync, now=now)
    if found is None:
        return None
    risk, connection = risks.of_sync(sync), sync.audience.ad_account.connection
    words = {"n": number_format(n), "name": sync.audience.name, "problem": found.text}
    words |= {
        "partner": registry.get(connection.partner).label,
        "time": risk.by(connection.app_group),
    }
    if found.code not in ("audience_gone", "audience_not_appendable"):
        text = ngettext(
            "%(n)s person still waits for the audience %(name)s, which this component had before. "
            "%(problem)s",
            "%(n)s people still wait for the audience %(name)s, which this component had before. "
            "%(problem)s",
            n,
        )
        return replace(found, text=text % words, short="")
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
    return replace(found, text=f"{waits} {short}" % words, short=short % words)


def partner_page(connection: Connection) -> str:
    """Return the page on which an admin connects and chooses ad accounts."""
    return reverse("partner", args=[connection.app_group.slug, connection.partner])


def _audiences_page(ad_account: AdAccount) -> str:
    connection = ad_account.connection
    return reverse("audiences", args=[connection.app_group.slug, connection.partner, ad_account.pk])
