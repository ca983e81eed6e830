"""/metrics: all storeys in one page for Prometheus, behind a token; what is costly to read is kept for a while."""

import time
from collections.abc import Iterable

from django.conf import settings
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

PAGE_SECONDS = 5.0
LAWS_SECONDS = 60.0
LAWS_SHARE = 20  # reading the laws of many people takes a while: at most a twentieth of the time


class Kept:
    """A value of this process that is good until a moment."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """The next look reads anew."""
        self.page, self.page_until = b"", 0.0
        self.broken, self.broken_until = 0, 0.0


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
        yield GaugeMetricFamily("audsync_conservation_violations", text, value=_violations())


def _page() -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows())
    return generate_latest(registry)


def _violations() -> int:
    started = time.monotonic()
    if started >= kept.broken_until:
        kept.broken = len(laws.broken(now=timezone.now()))
        ended = time.monotonic()
        kept.broken_until = ended + max(LAWS_SECONDS, LAWS_SHARE * (ended - started))
    return kept.broken
