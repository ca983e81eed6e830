"""Periodic jobs beside the queue: probe tokens, refresh audiences, delete old rows.

A probe of a token is a cheap call that shows whether the partner still accepts the token.
"""

import logging
import time
from datetime import datetime, timedelta

import requests
from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone
from django_q.models import Task

from audiencesync.core.database import sqlite
from audiencesync.groups import retention as groups_retention
from audiencesync.people.privacy import retention as people_retention
from audiencesync.rest import idempotency
from partners import audiences
from partners.connections import oauth, refresh, revoke
from partners.errors import PartnerError
from partners.models import AdAccount, Connection
from partners.notices import alerts
from partners.queue import retention

logger = logging.getLogger(__name__)
MAX_PROBES = 5  # the most probes of one run
KEEP_TASKS = timedelta(days=7)
REFRESH_EVERY = timedelta(minutes=15)


def probe() -> None:
    """Probe the tokens in use, at most one a second.

    If the partner hangs, only one worker waits: a run starts no call while that of another worker
    has no answer, and none after ``flush_seconds``.
    """
    ends_at, now = time.monotonic() + settings.SYNC.flush_seconds, timezone.now()
    in_use = (
        Connection.objects.exclude(token_sealed="")
        .filter(ad_accounts__audiences__syncs__is_live=True)
        .distinct()
    )
    ready = in_use.filter(Q(parked_until=None) | Q(parked_until__lte=now))
    unanswered = Q(checked_at=None) | Q(checked_at__lt=F("probed_at"))
    may_run_since = now - timedelta(seconds=settings.SYNC.request_deadline)
    if ready.filter(unanswered, probed_at__gt=may_run_since, probed_at__lte=now).exists():
        return
    # Each token is probed once per period of this job (BEATS); 0.8 is slack for a late run. With
    # many connections it is less often, so that there is one call a second.
    interval = timedelta(seconds=max(settings.BEATS["probes"][0] * 0.8, in_use.count()))
    due_q = Q(probed_at=None) | Q(probed_at__lte=now - interval)
    for connection in ready.filter(due_q).order_by("probed_at")[:MAX_PROBES]:
        if time.monotonic() > ends_at:
            return
        claimed = Connection.objects.filter(due_q, pk=connection.pk).update(probed_at=now)
        if claimed:
            audiences.probe(connection, now=timezone.now())


def beat() -> None:
    """Run once a minute: mail alerts, refresh audiences in use, delete old rows."""
    now = timezone.now()
    refresh.refresh_all(now=now)
    alerts.send_due(now=now)
    _refresh_one(now=now)
    # Django-q2 keeps failed tasks for ever.
    Task.objects.filter(stopped__lt=now - KEEP_TASKS).delete()
    oauth.delete_expired(now=now)
    idempotency.delete_old(now=now)
    _ping_deadman()
    revoke.retry_due(now=timezone.now())
    purge(now=timezone.now())
    sqlite.empty_wal()


def purge(*, now: datetime) -> None:
    """Delete a bounded part of what is too old, in every layer; takes less than a second."""
    for layer in (groups_retention, people_retention, retention):
        layer.purge(now=now)


def _ping_deadman() -> None:
    """Call DEADMAN_URL, a service that alerts when these calls stop.

    The URL may contain a key, so it is not logged.
    """
    if not settings.DEADMAN_URL:
        return
    try:
        requests.get(settings.DEADMAN_URL, timeout=5, allow_redirects=False).raise_for_status()
    except requests.RequestException as error:
        logger.warning("DEADMAN_URL did not answer well (%s).", type(error).__name__)


def _refresh_one(*, now: datetime) -> None:
    """Refresh the audiences of the ad account in use that was refreshed longest ago."""
    stale = Q(refreshed_at=None) | Q(refreshed_at__lt=now - REFRESH_EVERY)
    in_use = AdAccount.objects.filter(stale, is_chosen=True, audiences__syncs__is_live=True)
    ready = in_use.exclude(connection__token_sealed="").filter(
        Q(connection__parked_by="") & Q(parked_by="")
    )
    account = ready.distinct().order_by("refreshed_at", "pk").first()
    if account is None:
        return
    try:
        audiences.refresh(account, now=now)
    except PartnerError as error:
        logger.warning(
            "Audiences of ad account %s were not refreshed: %s", account.pk, error.message_for_log
        )
