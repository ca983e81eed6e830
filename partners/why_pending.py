"""Why pending people are not sent yet: a swap, a throttle, a back-off, no engine."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from audiencesync.core import beat
from partners import registry, risks
from partners.connections import problems
from partners.connections.problems import Problem, Severity
from partners.models import AdAccount, Batch, Connection, Sync
from partners.queue import budget, collect, missing_keys
from partners.queue.push import NO_ANSWER

SOON = timedelta(seconds=30)
"""People due for longer than this and not sent get an explanation."""
NO_PULSE = timedelta(seconds=60)


def of_sync(sync: Sync, *, now: datetime) -> Problem | None:
    """Return why people of a Sync are not sent now; None if none wait or they are being sent."""
    return _of(sync.audience.ad_account, risks.pending_batches_of(sync), now=now)


def of_ad_account(ad_account: AdAccount, *, now: datetime) -> Problem | None:
    """Return why people of an ad account are not sent now, or None."""
    return _of(ad_account, risks.pending_batches().filter(ad_account=ad_account), now=now)


def busy_ad_accounts(connection: Connection) -> set[int]:
    """Return the ad accounts in which people wait: only these need `of_ad_account`."""
    found = risks.pending_batches().filter(ad_account__connection=connection)
    return set(found.order_by().values_list("ad_account", flat=True).distinct())


def _of(ad_account: AdAccount, waiting: QuerySet[Batch], *, now: datetime) -> Problem | None:
    found = waiting.order_by().aggregate(
        n=Sum("n"),
        due=Min("due_at"),
        ends_at=Min("deadline_at"),
        sealed=Count(
            "pk", filter=Q(last_code=missing_keys.CODE, first_failed_at__lte=now - NO_PULSE)
        ),
    )
    if not found["n"]:
        return None
    connection = ad_account.connection
    if found["sealed"]:
        risk = risks.Risk(found["n"], found["ends_at"])
        return problems.of_connection(connection, now=now, risk=risk, is_stuck=True)
    group = connection.app_group
    words = {"partner": registry.get(connection.partner).label, "n": number_format(found["n"])}
    cause = (
        _held(connection, words)
        or _slowed(ad_account, words, now=now)
        or _paused(waiting, found["due"], words, ad_account, now=now)
    )
    if not cause and found["due"] <= now - SOON:
        cause = _overdue(waiting, words, ad_account, now=now)
    if not cause:
        return None
    waits = ngettext("%(n)s person waits.", "%(n)s people wait.", found["n"]) % words
    parts = [cause, waits]
    if found["ends_at"] and connection.swap_until is None:
        until = gettext("People not accepted by %(time)s count as errored.")
        parts.append(until % {"time": risks.clock(found["ends_at"], group)})
    return Problem(
        "waiting",
        " ".join(parts),
        problems.partner_page(connection),
        Severity.WARNING,
        short=cause,
        button=gettext("Open the partner page"),
    )


def _held(connection: Connection, words: dict[str, str]) -> str:
    """Return a text while the account of the connection is changed."""
    if connection.swap_until is None:
        return ""
    text = gettext(
        "The %(partner)s account is being changed: nothing is sent meanwhile, at the latest until "
        "%(at)s. No time for retries is lost."
    )
    return text % (words | {"at": risks.clock(connection.swap_until, connection.app_group)})


def _slowed(ad_account: AdAccount, words: dict[str, str], *, now: datetime) -> str:
    """Return a text if the partner throttles the ad account or the installation."""
    limit = budget.limit_of(collect.partner_of(ad_account), ad_account.lane)
    slow = budget.next_try([limit.key, budget.lane_key(ad_account.lane)])
    if slow is None:
        return ""
    at = max(slow.at, now)
    words = words | {"at": risks.clock(at, ad_account.connection.app_group, seconds=True)}
    if slow.is_daily:
        return (
            gettext(
                "%(partner)s asks us to slow down; its daily limit may be used up. "
                "Next try at %(at)s."
            )
            % words
        )
    return gettext("%(partner)s asks us to slow down. Next try at %(at)s.") % words


def _paused(
    waiting: QuerySet[Batch],
    due_at: datetime,
    words: dict[str, str],
    ad_account: AdAccount,
    *,
    now: datetime,
) -> str:
    """Return a text if all batches failed and wait for their back-off."""
    if due_at <= now:
        return ""
    code = waiting.order_by("due_at", "pk").values_list("last_code", flat=True).first() or NO_ANSWER
    words = words | {
        "at": risks.clock(due_at, ad_account.connection.app_group, seconds=True),
        "code": code,
    }
    if code == NO_ANSWER:
        return gettext("%(partner)s did not answer. Next try at %(at)s.") % words
    return gettext("%(partner)s answered with the code %(code)s. Next try at %(at)s.") % words


def _overdue(
    waiting: QuerySet[Batch], words: dict[str, str], ad_account: AdAccount, *, now: datetime
) -> str:
    """Return why batches that are due are not sent."""
    pulse = beat.last_heartbeat()
    if pulse is None or pulse < now - NO_PULSE:
        if pulse is None:
            return gettext(
                "No engine of this installation is running: ask its operator to start one."
            )
        at = risks.clock(pulse, ad_account.connection.app_group)
        return gettext(
            "No engine of this installation has worked since %(at)s: ask its operator."
        ) % {"at": at}
    if waiting.exclude(lease="").exists():
        return gettext("%(partner)s has not answered yet. This can take a minute.") % words
    if _is_behind(waiting):
        return gettext(
            "Their turn comes once what was sent earlier to the same audience is answered."
        )
    return gettext("Others are sent first; their turn comes after that.")


def _is_behind(waiting: QuerySet[Batch]) -> bool:
    """Return whether an earlier operation on the same audience must end first."""
    if waiting.exclude(waits_for=None).exists():
        return True
    first = waiting.order_by("seq").first()
    if first is None:
        return False
    earlier = Batch.objects.pending().filter(audience=first.audience_id, seq__lt=first.seq)
    return earlier.exclude(action=first.action).exists()
