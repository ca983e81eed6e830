"""/metrics: all storeys in one page for Prometheus, behind a token; what is costly to read is kept for a while."""

import logging
import threading
import time
from collections.abc import Iterable

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
LAWS_SECONDS = 60.0
LAWS_SHARE = 20  # reading the laws of many people takes a while: at most a twentieth of the time
LAWS_WAIT = 3.0  # a scrape that waits longer is given up; it gets the last answer then


class Kept:
    """A value of this process that is good until a moment."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """The next look reads anew."""
        self.page, self.page_until = b"", 0.0
        self.broken: int | None = None
        self.broken_until = 0.0
        self.reading: threading.Thread | None = None


kept = Kept()


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The page; 404 without METRICS_TOKEN, 401 without `Authorization: Bearer <METRICS_TOKEN>`."""
    if not settings.METRICS_TOKEN:
        raise Http404
    given = request.headers.get("Authorization", "")
    if not constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}"):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    if time.monotonic() >= kept.page_until:
        kept.page, kept.page_until = _page(), time.monotonic() + PAGE_SECONDS
    return HttpResponse(kept.page, content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Rows:
    """A collector that reads the rows."""

    def collect(self) -> Iterable[Metric]:
        yield from queue_metrics.families(now=timezone.now())
        text = "Laws of counting that do not hold (manage.py check_counters tells which)"
        if (broken := _violations()) is not None:
            yield GaugeMetricFamily("audsync_conservation_violations", text, value=broken)


def _page() -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows())
    return generate_latest(registry)


def _violations() -> int | None:
    """How many laws were broken when they were last read; None before the first reading has ended."""
    is_reading = kept.reading is not None and kept.reading.is_alive()
    if not is_reading and time.monotonic() >= kept.broken_until:
        kept.reading = threading.Thread(target=_read_laws, daemon=True)
        kept.reading.start()
        kept.reading.join(LAWS_WAIT)
    return kept.broken


def _read_laws() -> None:
    """Runs in a thread with a database connection of its own. If it fails, the next scrape tries again."""
    started = time.monotonic()
    try:
        kept.broken = len(laws.broken(now=timezone.now()))
    except Exception:  # the end of a thread: nobody else would tell
        logger.exception("The laws could not be read.")
        kept.broken = None
        return
    finally:
        connection.close()
    ended = time.monotonic()
    kept.broken_until = ended + max(LAWS_SECONDS, LAWS_SHARE * (ended - started))
