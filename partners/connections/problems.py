"""Problems of a connection, ad account, audience or Sync: derived on each read, never stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_noop, ngettext

from audiencesync.groups.models import AppGroup
from partners import registry, risks
from partners.models import AdAccount, Audience, Connection, ParkedBy, Sync
from partners.models.batch_queries import OF_STEPS
from partners.queue import sealed
from partners.risks import Risk

SYNC_RELATED = "audience__ad_account__connection__app_group"
"""Pass this to select_related() before calling `of_sync` for many."""
AUDIENCE_FIELD = "#id_audience_name"
"""The field of the step editor in which another audience is chosen."""
SEALED = sealed.CODE


class Severity(StrEnum):
    """DANGER: nothing is sent until a user acts. WARNING: it ends without help."""

    DANGER = "danger"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem in words for a marketer. ``url``: the page that mends it.

    ``short``: only what to do, for a card.
    """

    code: str
    text: str
    url: str
    severity: Severity = Severity.DANGER
    short: str = ""


def of_connection(
    connection: Connection, *, now: datetime, risk: Risk | None = None, is_stuck: bool = False
) -> Problem | None:
    """Return the problem of a connection: missing, refused, or not opened by our keys.

    ``risk``: the people it stops; all of the connection unless given. ``is_stuck``: see
    `connection_code`.
    """
    code = connection_code(connection, is_stuck=is_stuck)
    if not code:
        return None
    risk = risks.of_place(connection) if risk is None else risk
    partner = registry.get(connection.partner)
    words = {
        "partner": partner.label,
        "reason": partner.access_lost,
        "time": risk.by(connection.app_group),
    }
    cause, act, act_by = _OF_CONNECTION[code]
    short = f"{gettext(act_by if risk.people else act) % words} {risk.otherwise}"
    return Problem(code, f"{gettext(cause) % words} {short}", partner_page(connection), short=short)


def connection_code(connection: Connection, *, is_stuck: bool = False) -> str:
    """Return the code of the problem of a connection; empty if there is none. No query.

    ``is_stuck``: people wait because no engine can open the token.
    """
    if not connection.is_connected:
        return "not_connected"
    if is_stuck or connection.parked_code == SEALED or not connection.opens_here:
        return SEALED
    return "token_refused" if connection.parked_by == ParkedBy.TOKEN else ""


_OF_CONNECTION = {  # code -> cause, what to do, what to do while people wait
    "not_connected": (
        gettext_noop("%(partner)s is not connected."),
        gettext_noop("Connect %(partner)s."),
        gettext_noop("Connect %(partner)s by %(time)s."),
    ),
    "token_refused": (
        gettext_noop("%(partner)s no longer accepts our access: %(reason)s"),
        gettext_noop("Reconnect %(partner)s."),
        gettext_noop("Reconnect %(partner)s by %(time)s."),
    ),
    SEALED: (
        gettext_noop(
            "The keys of this installation (TOKEN_KEYS) cannot open its access to %(partner)s: "
            "another key sealed it."
        ),
        gettext_noop("Ask the operator to add that key; if it is lost, reconnect %(partner)s."),
        gettext_noop(
            "Ask the operator to add that key by %(time)s; if it is lost, reconnect %(partner)s."
        ),
    ),
}


def of_ad_account(ad_account: AdAccount, *, risk: Risk | None = None) -> Problem | None:
    """Return the problem of an ad account that was disconnected or is refused by the partner."""
    code = _ad_account_code(ad_account)
    if not code:
        return None
    risk = risks.of_place(ad_account) if risk is None else risk
    url, group = partner_page(ad_account.connection), ad_account.connection.app_group
    words = {"name": ad_account.name, "partner": registry.get(ad_account.connection.partner).label}
    words["time"] = risk.by(group)
    cause, act, act_by = _OF_AD_ACCOUNT[code]
    short = f"{gettext(act_by if risk.people else act) % words} {risk.otherwise}"
    return Problem(code, f"{gettext(cause) % words} {short}", url, short=short)


def _ad_account_code(ad_account: AdAccount) -> str:
    if not ad_account.is_chosen:
        return "ad_account_disconnected"
    return "ad_account_refused" if ad_account.parked_by == ParkedBy.AD_ACCOUNT else ""


_OF_AD_ACCOUNT = {
    "ad_account_disconnected": (
        gettext_noop("The ad account %(name)s is disconnected."),
        gettext_noop("Choose it again with Change account."),
        gettext_noop("Choose it again with Change account by %(time)s."),
    ),
    "ad_account_refused": (
        gettext_noop(
            "%(partner)s does not let us use the ad account %(name)s. We try again every few "
            "minutes."
        ),
        gettext_noop(
            "Check at %(partner)s that it is active and that the connected user is an admin or "
            "operator of it."
        ),
        gettext_noop(
            "Check at %(partner)s by %(time)s that it is active and that the connected user is an "
            "admin or operator of it."
        ),
    ),
}


def of_audience(audience: Audience, *, now: datetime, risk: Risk | None = None) -> Problem | None:
    """Return the problem of an audience: not created, gone, or taking no people."""
    words = {
        "name": audience.name,
        "partner": registry.get(audience.ad_account.connection.partner).label,
    }
    url = _audiences_page(audience.ad_account)
    if not audience.remote_id:
        text = gettext("The audience %(name)s was not created yet. Press Create audience again.")
        return Problem("audience_not_created", text % words, url)
    is_gone = audience.gone_at is not None or audience.parked_by == ParkedBy.AUDIENCE_GONE
    if not is_gone and audience.is_appendable:
        return None
    risk = risks.of_place(audience) if risk is None else risk
    words["time"] = risk.by(audience.ad_account.connection.app_group)
    words["reason"] = gettext(audience.why_not) if audience.why_not else ""
    code = "audience_gone" if is_gone else "audience_not_appendable"
    act = gettext(_OTHER_AUDIENCE_BY if risk.people else _OTHER_AUDIENCE) % words
    short = f"{act} {risk.otherwise}"
    return Problem(code, f"{gettext(_OF_AUDIENCE[code]) % words} {short}", url, short=short)


_OF_AUDIENCE = {
    "audience_gone": gettext_noop("The audience %(name)s no longer exists at %(partner)s."),
    "audience_not_appendable": gettext_noop(
        "People cannot be sent to the audience %(name)s: %(reason)s"
    ),
}
_OTHER_AUDIENCE = gettext_noop("Choose or create another one in the step.")
_OTHER_AUDIENCE_BY = gettext_noop(
    "Choose or create another one in the step by %(time)s: you are then asked whether the "
    "people who wait move to it."
)


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
    ad_account = sync.audience.ad_account
    of_place = of_audience(sync.audience, now=now, risk=risk)
    if of_place is not None and sync.url:
        of_place = replace(of_place, url=sync.url + AUDIENCE_FIELD)
    return (
        of_connection(ad_account.connection, now=now, risk=risk),
        of_ad_account(ad_account, risk=risk),
        of_place,
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


def broken_connections(app_group: AppGroup, *, now: datetime) -> list[Problem]:
    """Return the problems of connections that live or pending Syncs need, for the banner.

    One query, and one more for each broken connection.
    """
    needed = Q(is_live=True) | Q(purpose__in=OF_STEPS, paused=False, tally__pending__gt=0)
    live = Sync.objects.filter(needed, audience__ad_account__connection=OuterRef("pk"))
    shut = sealed.stuck(now=now).filter(ad_account__connection=OuterRef("pk"))
    problems = []
    for connection in app_group.connections.filter(Exists(live)).annotate(is_stuck=Exists(shut)):
        connection.app_group = app_group
        problems.append(of_connection(connection, now=now, is_stuck=connection.is_stuck))
    return [problem for problem in problems if problem]


def partner_page(connection: Connection) -> str:
    """Return the page on which an admin connects and chooses ad accounts."""
    return reverse("partner", args=[connection.app_group.slug, connection.partner])


def _audiences_page(ad_account: AdAccount) -> str:
    connection = ad_account.connection
    return reverse("audiences", args=[connection.app_group.slug, connection.partner, ad_account.pk])
