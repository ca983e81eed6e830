"""Why pending people are not sent yet, as a text for the marketer.

The causes, in the order in which they are checked: no key for the token, a swap (change of the
account), a throttle, a back-off, no running engine (the worker process), earlier work.
"""

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
from partners.models.batch_queries import OTHER_MACHINES_SECONDS
from partners.queue import budget, collect, missing_keys
from partners.queue.push import NO_ANSWER

OVERDUE_AFTER = timedelta(seconds=30)
"""People due for longer than this and not sent get an explanation."""
HEARTBEAT_TIMEOUT = timedelta(seconds=60)
"""If the last heartbeat is older than this, no engine is running."""


def of_sync(sync: Sync, *, now: datetime) -> Problem | None:
    """Return why people of a Sync are not sent yet; None if no one waits, or they will be soon."""
    return _explain(sync.audience.ad_account, risks.pending_batches_of(sync), now=now)


def of_ad_account(ad_account: AdAccount, *, now: datetime) -> Problem | None:
    """Return why people of an ad account are not sent yet, or None (see `of_sync`)."""
    return _explain(ad_account, risks.pending_batches().filter(ad_account=ad_account), now=now)


def ids_with_pending(connection: Connection) -> set[int]:
    """Return the ids of ad accounts with pending people: only these need `of_ad_account`."""
    pending = risks.pending_batches().filter(ad_account__connection=connection)
    return set(pending.order_by().values_list("ad_account", flat=True).distinct())


def _explain(ad_account: AdAccount, batches: QuerySet[Batch], *, now: datetime) -> Problem | None:
    totals = batches.order_by().aggregate(
        n_people=Sum("n"),
        first_due=Min("due_at"),
        first_deadline=Min("deadline_at"),
        n_undecryptable=Count("pk", filter=_undecryptable_q(now=now)),
    )
    if not totals["n_people"]:
        return None
    connection = ad_account.connection
    if totals["n_undecryptable"]:
        risk = risks.Risk(totals["n_people"], totals["first_deadline"])
        return problems.of_connection(connection, risk=risk, lacks_key=True)
    group = connection.app_group
    params = {
        "partner": registry.get(connection.partner).label,
        "n": number_format(totals["n_people"]),
    }
    cause = (
        _account_change_text(connection, params)
        or _throttle_text(ad_account, params, now=now)
        or _backoff_text(batches, totals["first_due"], params, ad_account, now=now)
    )
    if not cause and totals["first_due"] <= now - OVERDUE_AFTER:
        cause = _overdue_text(batches, params, ad_account, now=now)
    if not cause:
        return None
    waits = ngettext("%(n)s person waits.", "%(n)s people wait.", totals["n_people"]) % params
    parts = [cause, waits]
    if totals["first_deadline"] and connection.swap_until is None:
        until = gettext("People not accepted by %(time)s count as errored.")
        parts.append(until % {"time": risks.local_text(totals["first_deadline"], group)})
    return Problem(
        "waiting",
        " ".join(parts),
        problems.partner_page(connection),
        Severity.WARNING,
        short=cause,
        button=gettext("Open the partner page"),
    )


def _undecryptable_q(*, now: datetime) -> Q:
    """Match batches whose token no machine has decrypted in time: TOKEN_KEYS lack its key."""
    return Q(
        last_code=missing_keys.CODE,
        first_failed_at__lte=now - timedelta(seconds=OTHER_MACHINES_SECONDS),
    )


def _account_change_text(connection: Connection, params: dict[str, str]) -> str:
    """Return the text for a connection whose account is being changed; else empty."""
    if connection.swap_until is None:
        return ""
    text = gettext(
        "The %(partner)s account is being changed: nothing is sent meanwhile, at the latest until "
        "%(at)s. No time for retries is lost."
    )
    return text % (params | {"at": risks.local_text(connection.swap_until, connection.app_group)})


def _throttle_text(ad_account: AdAccount, params: dict[str, str], *, now: datetime) -> str:
    """Return the text if the partner throttles the ad account or the installation; else empty."""
    # A lane is the queue of one ad account. Its rate limit may be that of the whole installation.
    limit = budget.limit_of(collect.partner_of(ad_account), ad_account.lane)
    throttle = budget.next_try([limit.key, budget.lane_key(ad_account.lane)])
    if throttle is None:
        return ""
    at = max(throttle.at, now)
    params = params | {"at": risks.local_text(at, ad_account.connection.app_group, seconds=True)}
    if throttle.is_daily:
        return (
            gettext(
                "%(partner)s asks us to slow down; its daily limit may be used up. "
                "Next try at %(at)s."
            )
            % params
        )
    return gettext("%(partner)s asks us to slow down. Next try at %(at)s.") % params


def _backoff_text(
    batches: QuerySet[Batch],
    first_due: datetime,
    params: dict[str, str],
    ad_account: AdAccount,
    *,
    now: datetime,
) -> str:
    """Return the text if all batches failed and wait for their back-off; else empty."""
    if first_due <= now:
        return ""
    code = batches.order_by("due_at", "pk").values_list("last_code", flat=True).first() or NO_ANSWER
    params = params | {
        "at": risks.local_text(first_due, ad_account.connection.app_group, seconds=True),
        "code": code,
    }
    if code == NO_ANSWER:
        return gettext("%(partner)s did not answer. Next try at %(at)s.") % params
    return gettext("%(partner)s answered with the code %(code)s. Next try at %(at)s.") % params


def _overdue_text(
    batches: QuerySet[Batch], params: dict[str, str], ad_account: AdAccount, *, now: datetime
) -> str:
    """Return the text for batches that are due and not sent."""
    heartbeat = beat.last_heartbeat()
    if heartbeat is None or heartbeat < now - HEARTBEAT_TIMEOUT:
        if heartbeat is None:
            return gettext(
                "No engine of this installation is running: ask its operator to start one."
            )
        at = risks.local_text(heartbeat, ad_account.connection.app_group)
        return gettext(
            "No engine of this installation has worked since %(at)s: ask its operator."
        ) % {"at": at}
    if batches.exclude(lease="").exists():
        return gettext("%(partner)s has not answered yet. This can take a minute.") % params
    if _waits_for_opposite(batches):
        return gettext(
            "Their turn comes once what was sent earlier to the same audience is answered."
        )
    return gettext("Others are sent first; their turn comes after that.")


def _waits_for_opposite(batches: QuerySet[Batch]) -> bool:
    """Return whether another batch must end first: a first half, or an earlier, opposite one."""
    if batches.exclude(waits_for=None).exists():
        return True
    oldest = batches.order_by("seq").first()
    if oldest is None:
        return False
    earlier = Batch.objects.pending().filter(audience=oldest.audience_id, seq__lt=oldest.seq)
    return earlier.exclude(action=oldest.action).exists()
