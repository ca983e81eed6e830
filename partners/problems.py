"""What is wrong with a connection, an ad account, an audience or a sync: derived when somebody looks, never stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from audiencesync.groups.models import AppGroup
from partners import registry
from partners.models import AdAccount, Audience, Connection, ParkedBy, Sync

SYNC_RELATED = "audience__ad_account__connection__app_group"
"""What to select_related() before asking `of_sync` for many."""
AUDIENCE_FIELD = "#id_audience_name"
"""Where on the page of the asker another audience is chosen."""


class Severity(StrEnum):
    """DANGER: nothing is sent until somebody acts. WARNING: it mends itself."""

    DANGER = "danger"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: words a marketer can act on, and where to act."""

    code: str
    text: str
    url: str
    severity: Severity = Severity.DANGER


def of_connection(connection: Connection, *, now: datetime) -> Problem | None:
    """Not connected, or the partner refuses our token."""
    words = {"partner": registry.get(connection.partner).label}
    if not connection.is_connected:
        text = gettext(
            "%(partner)s is not connected. An admin of this app group has to connect it; people wait up to 13 hours."
        )
        return Problem("not_connected", text % words, partner_page(connection))
    if connection.parked_by == ParkedBy.TOKEN:
        text = gettext(
            "%(partner)s no longer accepts our access: the password was changed, the access was withdrawn, or the "
            "person left the Business Center. An admin of this app group has to connect again; people wait up to "
            "13 hours and are sent after that."
        )
        return Problem("token_refused", text % words, partner_page(connection))
    return None


def of_ad_account(ad_account: AdAccount, *, now: datetime) -> Problem | None:
    """Disconnected by an admin, refused by the partner, or slowed down."""
    words = {"name": ad_account.name, "partner": registry.get(ad_account.connection.partner).label}
    url = partner_page(ad_account.connection)
    if not ad_account.is_chosen:
        text = gettext(
            "The ad account %(name)s is disconnected. An admin of this app group can choose it again with Change account."
        )
        return Problem("ad_account_disconnected", text % words, url)
    if ad_account.parked_by == ParkedBy.AD_ACCOUNT:
        text = gettext(
            "%(partner)s does not let us use the ad account %(name)s. Check there that it is active and that the "
            "connected user is an admin or operator of it. We try again every few minutes; people wait up to 13 hours."
        )
        return Problem("ad_account_refused", text % words, url)
    if ad_account.parked_by == ParkedBy.THROTTLED and ad_account.is_parked(now=now):
        text = gettext(
            "%(partner)s asked us to slow down in the ad account %(name)s. You need not do anything: people wait and "
            "are sent soon."
        )
        return Problem("throttled", text % words, url, Severity.WARNING)
    return None


def of_audience(audience: Audience, *, now: datetime) -> Problem | None:
    """Not created yet, gone, or not one that takes people."""
    words = {"name": audience.name, "partner": registry.get(audience.ad_account.connection.partner).label}
    url = _audiences_page(audience.ad_account)
    if not audience.remote_id:
        text = gettext("The audience %(name)s was not created yet. Press Create audience again.")
        return Problem("audience_not_created", text % words, url)
    if audience.gone_at is not None or audience.parked_by == ParkedBy.AUDIENCE_GONE:
        text = gettext(
            "The audience %(name)s no longer exists at %(partner)s. Choose or create another one in the step: you are "
            "then asked whether the people who wait move to it. Without that they count as errored after up to 13 hours."
        )
        return Problem("audience_gone", text % words, url)
    if not audience.is_appendable:
        text = gettext(
            "People cannot be sent to the audience %(name)s: %(reason)s Choose or create another one in the step: you "
            "are then asked whether the people who wait move to it."
        )
        return Problem(
            "audience_not_appendable",
            text % (words | {"reason": gettext(audience.why_not) if audience.why_not else ""}),
            url,
        )
    return None


def of_sync(sync: Sync, *, now: datetime) -> Problem | None:
    """The first thing that stands in the way of this sync, the widest first; what slows it down comes last.

    Another audience is chosen where this one was: the address of a problem with it is the one of the asker.
    """
    ad_account = sync.audience.ad_account
    of_place = of_audience(sync.audience, now=now)
    if of_place is not None and sync.url:
        of_place = replace(of_place, url=sync.url + AUDIENCE_FIELD)
    found = (of_connection(ad_account.connection, now=now), of_ad_account(ad_account, now=now), of_place)
    problems = sorted(filter(None, found), key=lambda problem: problem.severity is Severity.WARNING)
    return problems[0] if problems else None


def of_former(sync: Sync, n: int, *, now: datetime) -> Problem | None:
    """What stands in the way of ``n`` people who wait for what a step asked before it was changed or removed."""
    found = of_sync(sync, now=now)
    if found is None:
        return None
    words = {"n": number_format(n), "name": sync.audience.name, "problem": found.text}
    if found.code in ("audience_gone", "audience_not_appendable"):
        words["partner"] = registry.get(sync.audience.ad_account.connection.partner).label
        text = ngettext(
            "%(n)s person still waits for the audience %(name)s, which %(partner)s no longer lets us use. Decide here "
            "what becomes of them; otherwise they count as errored after up to 13 hours.",
            "%(n)s people still wait for the audience %(name)s, which %(partner)s no longer lets us use. Decide here "
            "what becomes of them; otherwise they count as errored after up to 13 hours.",
            n,
        )
    else:
        text = ngettext(
            "%(n)s person still waits for the audience %(name)s, which this component had before. %(problem)s",
            "%(n)s people still wait for the audience %(name)s, which this component had before. %(problem)s",
            n,
        )
    return replace(found, text=text % words)


def broken_connections(app_group: AppGroup, *, now: datetime) -> list[Problem]:
    """The connections that do not work although live syncs need them, or people wait for them: for the banner on every
    page. One query."""
    needed = Q(is_live=True) | Q(purpose=Sync.Purpose.STEP, paused=False, tally__pending__gt=0)
    live = Sync.objects.filter(needed, audience__ad_account__connection=OuterRef("pk"))
    broken = app_group.connections.filter(Q(token_sealed="") | Q(parked_by=ParkedBy.TOKEN)).filter(Exists(live))
    problems = []
    for connection in broken:
        connection.app_group = app_group
        problems.append(of_connection(connection, now=now))
    return [problem for problem in problems if problem]


def partner_page(connection: Connection) -> str:
    """Where an admin connects and chooses."""
    return reverse("partner", args=[connection.app_group.slug, connection.partner])


def _audiences_page(ad_account: AdAccount) -> str:
    connection = ad_account.connection
    return reverse("audiences", args=[connection.app_group.slug, connection.partner, ad_account.pk])
