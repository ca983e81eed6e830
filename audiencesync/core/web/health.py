"""The probes /healthz and /readyz. A response names the checks that fail; the log says why."""

import logging
import shutil
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import resolve
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audiencesync.core import beat, crypto
from audiencesync.core.database import sqlite
from audiencesync.core.models import BeatSlot

Check = Callable[[], str]  # returns what is wrong, in words for the log, or an empty text

logger = logging.getLogger(__name__)
MAX_HEARTBEAT_AGE = timedelta(seconds=30)
MIN_FREE_SHARE = 0.05  # part of the disk that must be free
LOG_SECONDS = 60.0  # a failing check is logged this often; probes come every few seconds
PROBES = frozenset({"/healthz", "/readyz"})

_logged_at: dict[str, float] = {}  # failing check -> when its reason was logged last


class Probes:
    """Middleware: answer the probes before the host is validated; orchestrators call them by IP
    address.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Safe without validation: neither view uses the host, and both are public.
        if request.path_info not in PROBES:
            return self.get_response(request)
        request.resolver_match = match = resolve(request.path_info)
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return response


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as this process answers at all."""
    # No backend is checked: a database that is down must not restart healthy processes.
    return JsonResponse({"process": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest, more_checks: dict[str, Check] | None = None) -> JsonResponse:
    """Answer 200, or 503 if a check fails: {"database": "ok", "engine": "fail", ...}.

    ``more_checks``: those of the apps above this one, given in urls.py.
    """
    states = {name: _state(name, check) for name, check in (CHECKS | (more_checks or {})).items()}
    return JsonResponse(states, status=503 if "fail" in states.values() else 200)


def _state(name: str, check: Check) -> str:
    """Run a check and log its failure; return "ok" or "fail"."""
    try:
        reason = check()
    except Exception as error:  # any exception of a broken dependency means "fail"
        if _should_log(name):
            logger.warning("readyz: %s fails: %s", name, type(error).__name__, exc_info=True)
        return "fail"
    if reason and _should_log(name):
        logger.warning("readyz: %s fails: %s", name, reason)
    if not reason and name in _logged_at:
        del _logged_at[name]
        logger.warning("readyz: %s is well again", name)
    return "fail" if reason else "ok"


def _should_log(name: str) -> bool:
    """Return whether to log a failure, and remember the time of the log line.

    A failure is logged when it begins, and once a minute while it lasts.
    """
    now = time.monotonic()
    if name in _logged_at and now - _logged_at[name] < LOG_SECONDS:
        return False
    _logged_at[name] = now
    return True


def database() -> str:
    """Check that a write works; it is rolled back."""
    with transaction.atomic():
        BeatSlot.objects.update_or_create(pk="readyz", defaults={"slot": 0})
        transaction.set_rollback(True)
    return ""


def migrations() -> str:
    """Check that all migrations of this version are applied."""
    executor = MigrationExecutor(connection)
    missing = [
        f"{migration.app_label}.{migration.name}"
        for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())
    ]
    return f"not applied: {', '.join(missing)} (manage.py migrate)" if missing else ""


def keys() -> str:
    """Check that TOKEN_KEYS opens a text that it sealed."""
    opened = crypto.open_sealed(crypto.seal("sample", context="readyz"), context="readyz")
    return "" if opened == "sample" else "what TOKEN_KEYS seals does not open again"


def shared_cache() -> str:
    """Check that the cache returns a stored value."""
    cache.set("readyz", value=True, timeout=10)
    return "" if cache.get("readyz") is True else "the cache does not give back what it was given"


def engine() -> str:
    """Check that an engine has processed a task lately."""
    last = beat.last_heartbeat()
    if last is None:
        return "no engine has ever run (manage.py engine)"
    age = timezone.now() - last
    return f"last heartbeat {age.total_seconds():.0f} s ago" if age > MAX_HEARTBEAT_AGE else ""


def disk() -> str:
    """Check that the disk under VAR_DIR has free space."""
    usage = shutil.disk_usage(settings.VAR_DIR)
    if usage.free >= MIN_FREE_SHARE * usage.total:
        return ""
    return f"{usage.free / usage.total:.1%} free under VAR_DIR"


def sqlite_version() -> str:
    """Check that a write-ahead log is used only with a SQLite library that is safe for it."""
    if connection.vendor != "sqlite" or sqlite.version() >= sqlite.SAFE_WAL:
        return ""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        is_wal = str(cursor.fetchone()[0]).upper() == "WAL"
    return "this SQLite library can lose what it writes to a WAL file" if is_wal else ""


CHECKS: dict[str, Check] = {
    "database": database,
    "migrations": migrations,
    "keys": keys,
    "cache": shared_cache,
    "engine": engine,
    "disk": disk,
    "sqlite": sqlite_version,
}
