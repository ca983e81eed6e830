"""/metrics for Prometheus, behind a token. Costly readings are cached.

The laws are the invariants of the counters (laws.py).
"""

import logging
import threading
import time
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric

from canvases import laws
from partners import metrics as queue_metrics

logger = logging.getLogger(__name__)
PAGE_SECONDS = 5.0
LAWS_SECONDS = 60.0  # at least, between two checks
LAWS_INTERVAL_FACTOR = 20  # wait 20 times as long as a check took: checks take 5 % of the time
LAWS_WAIT = 3.0  # seconds that a scrape waits for a check; after that it gets the last result


class Cache:
    """The cached page and number of broken laws, with the times at which they expire."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Empty the cache."""
        self.page, self.page_until = b"", 0.0
        self.broken: int | None = None
        self.checked_at: datetime | None = None
        self.broken_until = 0.0
        self.reading: threading.Thread | None = None


cache = Cache()


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the page; 404 if METRICS_TOKEN is not set, 401 without it as bearer token."""
    if not settings.METRICS_TOKEN:
        raise Http404
    authorization = request.headers.get("Authorization", "")
    if not constant_time_compare(authorization, f"Bearer {settings.METRICS_TOKEN}"):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    if time.monotonic() >= cache.page_until:
        cache.page, cache.page_until = _page(), time.monotonic() + PAGE_SECONDS
    return HttpResponse(cache.page, content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Rows:
    """A collector that reads the database."""

    def collect(self) -> Iterable[Metric]:
        yield from queue_metrics.families(now=timezone.now())
        text = "Laws of counting that do not hold (manage.py check_counters tells which)"
        if (broken := _violations()) is not None:
            yield GaugeMetricFamily("audsync_conservation_violations", text, value=broken)


def _page() -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows())
    return generate_latest(registry)


def last_violations() -> int | None:
    """Return the number of broken laws at the last check, and begin the next check if it is due.

    This does not wait for a check, so the result is None until the first one has ended.
    """
    if not connection.in_atomic_block:
        _begin_reading()
    return cache.broken


def _violations() -> int | None:
    """Return the number of broken laws as `last_violations`, but wait up to LAWS_WAIT for it."""
    if (reading := _begin_reading()) is not None:
        reading.join(LAWS_WAIT)
    return cache.broken


def _begin_reading() -> threading.Thread | None:
    """Start a thread that checks the laws, if a check is due; return the thread."""
    is_reading = cache.reading is not None and cache.reading.is_alive()
    if is_reading or time.monotonic() < cache.broken_until:
        return None
    cache.reading = threading.Thread(target=_read_laws, daemon=True)
    cache.reading.start()
    return cache.reading


def _read_laws() -> None:
    """Check the laws, in a thread with its own database connection.

    After an error the next scrape tries again.
    """
    started = time.monotonic()
    try:
        now = timezone.now()
        cache.broken, cache.checked_at = len(laws.broken(now=now)), now
    except Exception:  # the edge of a thread
        logger.exception("The laws could not be read.")
        cache.broken = None
        return
    finally:
        connection.close()
    ended = time.monotonic()
    cache.broken_until = ended + max(LAWS_SECONDS, LAWS_INTERVAL_FACTOR * (ended - started))
