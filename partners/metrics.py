"""Prometheus metrics of the queue, read from the rows at each scrape."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import Case, CharField, Count, F, Min, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Cast
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from audiencesync.core import beat
from partners import registry
from partners.models import AdAccount, Audience, Batch, Connection, Outcome, Push, lane_q
from partners.models import Count as Counter
from partners.models.batch_queries import PAUSED
from partners.queue import budget

BUCKET_SECONDS = (1, 2, 5, 8, 15, 30, 60, 300, 3600)
THROTTLE_CAUSES = {False: "throttled", True: "daily_limit"}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def families(*, now: datetime) -> Iterator[Metric]:
    """Yield all metrics of the queue."""
    first_due = Batch.objects.due(now).order_by().aggregate(at=Min("due_at"))["at"]
    yield _gauge(
        "oldest_due_seconds",
        "How long the oldest work that could be sent now is waiting",
        _age(first_due, now),
    )
    yield _enter_to_synced(now=now)
    yield _gauge("pending_people", "People on their way", _people(_pending()))
    yield _parked()
    first_deadline = _pending().aggregate(at=Min("deadline_at"))["at"]
    if first_deadline is not None:
        yield _gauge(
            "deadline_next_seconds",
            "Until the next people count as errors",
            -_age(first_deadline, now),
        )
    yield _requests(now=now)
    counts = dict(Counter.objects.values_list("name", "n"))
    n_reclaimed = counts.get(Counter.LEASE_RECLAIMS, 0)
    yield CounterMetricFamily(
        "audsync_lease_reclaims", "Batches taken back from workers that died", value=n_reclaimed
    )
    yield CounterMetricFamily(
        "audsync_mails_failed",
        "Tries to send a mail that the mail server did not take",
        value=counts.get(Counter.MAILS_FAILED, 0),
    )
    yield _attention()
    yield _audiences()
    yield from _disk()
    if (heartbeat := beat.last_heartbeat()) is not None:
        yield _gauge(
            "engine_heartbeat_age_seconds",
            "Since a task last passed through an engine",
            _age(heartbeat, now),
        )


def _disk() -> Iterator[Metric]:
    """Yield the free share of the disk of VAR_DIR, and the size of SQLite's write-ahead log."""
    usage = shutil.disk_usage(settings.VAR_DIR)
    yield _gauge(
        "disk_free_ratio",
        "Free share of the disk under VAR_DIR, of this web process",
        usage.free / usage.total,
    )
    if connection.vendor == "sqlite":
        wal = Path(f"{connection.settings_dict['NAME']}-wal")
        yield _gauge(
            "sqlite_wal_bytes",
            "Size of the write-ahead log",
            wal.stat().st_size if wal.exists() else 0,
        )


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"audsync_{name}", text, value=value)


def _age(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else (now - at).total_seconds()


def _pending() -> QuerySet[Batch]:
    return Batch.objects.pending()


def _people(batches: QuerySet[Batch]) -> int:
    return batches.aggregate(n=Sum("n"))["n"] or 0


def _enter_to_synced(*, now: datetime) -> HistogramMetricFamily:
    """Return how long the people took who were synced in the last hour. Buckets may fall."""
    batches = Batch.objects.filter(settled_at__gt=now - HOUR, state=Outcome.SYNCED, n__gt=0)
    delays = [
        ((settled_at - created_at).total_seconds(), n)
        for created_at, settled_at, n in batches.values_list("created_at", "settled_at", "n")
        if settled_at is not None
    ]
    buckets = [
        (f"{limit}.0", sum(n for seconds, n in delays if seconds <= limit))
        for limit in BUCKET_SECONDS
    ]
    text = "From entering to synced, of the people synced within the last hour"
    family = HistogramMetricFamily("audsync_enter_to_synced_seconds", text)
    all_people = ("+Inf", sum(n for _seconds, n in delays))
    family.add_metric(
        [], buckets=[*buckets, all_people], sum_value=sum(seconds * n for seconds, n in delays)
    )
    return family


def _parked() -> GaugeMetricFamily:
    """Return how many pending people cannot be sent, by the first cause that applies."""
    family = GaugeMetricFamily(
        "audsync_parked_people", "People on their way that is barred, by cause", labels=["by"]
    )
    for by, n in (
        _pending()
        .annotate(by=_first_cause())
        .exclude(by="")
        .values_list("by")
        .annotate(total=Sum("n"))
        .order_by()
    ):
        family.add_metric([by], n)
    return family


def _first_cause() -> Case:
    """Return the cause why a batch cannot be sent; empty if it can.

    A lane is the queue of one ad account. An app is the developer app of this installation.
    """
    places = ("ad_account__connection", "ad_account", "audience")
    throttles = budget.parked_limits()
    throttled_apps = {
        partner.key: throttles[budget.app_key(partner)]
        for partner in registry.PARTNERS
        if budget.app_key(partner) in throttles
    }
    throttled_lanes = {
        key.removeprefix("lane:"): is_daily
        for key, is_daily in throttles.items()
        if key.startswith("lane:")
    }
    return Case(
        When(ad_account__connection__token_sealed="", then=Value("disconnected")),
        When(ad_account__is_chosen=False, then=Value("ad_account_disconnected")),
        When(PAUSED, then=Value("canvas_stopped")),
        *(When(~Q(**{f"{path}__parked_by": ""}), then=F(f"{path}__parked_by")) for path in places),
        *(
            When(lane_q(lane, "ad_account__"), then=Value(THROTTLE_CAUSES[is_daily]))
            for lane, is_daily in throttled_lanes.items()
        ),
        *(
            When(ad_account__connection__partner=key, then=Value(THROTTLE_CAUSES[is_daily]))
            for key, is_daily in throttled_apps.items()
        ),
        default=Value(""),
        output_field=CharField(),
    )


def _requests(*, now: datetime) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "audsync_requests_day", "Requests to partners within 24 hours, by code", labels=["code"]
    )
    codes = (
        Push.objects.filter(at__gt=now - DAY)
        .values_list("code")
        .annotate(total=Count("pk"))
        .order_by()
    )
    for code, n in codes:
        family.add_metric([code], n)
    return family


def _attention() -> GaugeMetricFamily:
    """Return how many connections, ad accounts and audiences have a problem.

    A missing token counts if a live canvas needs it.
    """
    family = GaugeMetricFamily(
        "audsync_attention", "Places at partners in trouble", labels=["place"]
    )
    missing = Q(token_sealed="", ad_accounts__audiences__syncs__is_live=True)
    places = {
        "connection": Connection.objects.filter(missing | ~Q(parked_by="")).distinct().count(),
        "ad_account": AdAccount.objects.exclude(parked_by="").count(),
        "audience": Audience.objects.exclude(parked_by="").count(),
    }
    for place, n in places.items():
        family.add_metric([place], n)
    return family


def _audiences() -> GaugeMetricFamily:
    text = "Audiences of an ad account at the partner, of 400"
    family = GaugeMetricFamily("audsync_audiences", text, labels=["ad_account", "remote_id"])
    ad_accounts = AdAccount.objects.filter(is_chosen=True).exclude(n_audiences=None)
    for pk, remote_id, n in ad_accounts.values_list(
        Cast("pk", CharField()), "remote_id", "n_audiences"
    ):
        family.add_metric([pk, remote_id], n or 0)
    return family
