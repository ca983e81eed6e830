"""Is this process alive, and is all it needs there? The answers name what fails; the log says why."""

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

Check = Callable[[], str]  # what is wrong, in words for the log; "" if nothing

logger = logging.getLogger(__name__)
SILENCE = timedelta(seconds=30)
LEAST_FREE = 0.05
LOGGED_EVERY = 60.0  # seconds; a probe comes every few seconds
PROBES = frozenset({"/healthz", "/readyz"})

_logged: dict[str, float] = {}  # check that fails -> when its reason was written last


class Probes:
    """Middleware: answer /healthz and /readyz whatever host is asked for; orchestrators ask by IP address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Neither page reads the host, and both are open to everybody."""
        if request.path_info not in PROBES:
            return self.get_response(request)
        request.resolver_match = match = resolve(request.path_info)
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return response


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers: nothing else is asked, so that a sick database restarts no healthy process."""
    return JsonResponse({"process": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest, more: dict[str, Check] | None = None) -> JsonResponse:
    """200 if everything is there, else 503: {"database": "ok", "engine": "fail", ...}. ``more``: of other storeys."""
    answer = {name: _state(name, check) for name, check in (CHECKS | (more or {})).items()}
    return JsonResponse(answer, status=503 if "fail" in answer.values() else 200)


def _state(name: str, check: Check) -> str:
    try:
        reason = check()
    except Exception as error:  # whatever a broken dependency raises is the answer "fail"
        if _is_news(name):
            logger.warning("readyz: %s fails: %s", name, type(error).__name__, exc_info=True)
        return "fail"
    if reason and _is_news(name):
        logger.warning("readyz: %s fails: %s", name, reason)
    if not reason and name in _logged:
        del _logged[name]
        logger.warning("readyz: %s is well again", name)
    return "fail" if reason else "ok"


def _is_news(name: str) -> bool:
    """Whether to write why a check fails: when it begins, and once a minute while it lasts. Notes that it was written."""
    now = time.monotonic()
    if name in _logged and now - _logged[name] < LOGGED_EVERY:
        return False
    _logged[name] = now
    return True


def database() -> str:
    """A write works; it is rolled back."""
    with transaction.atomic():
        BeatSlot.objects.update_or_create(pk="readyz", defaults={"slot": 0})
        transaction.set_rollback(True)
    return ""


def migrations() -> str:
    """The tables are those of this version."""
    executor = MigrationExecutor(connection)
    missing = [
        f"{one.app_label}.{one.name}"
        for one, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())
    ]
    return f"not applied: {', '.join(missing)} (manage.py migrate)" if missing else ""


def keys() -> str:
    """What the key ring seals opens again."""
    opened = crypto.open_sealed(crypto.seal("sample", context="readyz"), context="readyz")
    return "" if opened == "sample" else "what TOKEN_KEYS seals does not open again"


def shared_cache() -> str:
    """The cache gives back what it was given."""
    cache.set("readyz", value=True, timeout=10)
    return "" if cache.get("readyz") is True else "the cache does not give back what it was given"


def engine() -> str:
    """A task has passed through some engine lately."""
    pulse = beat.last_pulse()
    if pulse is None:
        return "no engine has ever run (manage.py engine)"
    age = timezone.now() - pulse
    return f"last heartbeat {age.total_seconds():.0f} s ago" if age > SILENCE else ""


def disk() -> str:
    """There is room for the files of this process."""
    usage = shutil.disk_usage(settings.VAR_DIR)
    return (
        ""
        if usage.free >= LEAST_FREE * usage.total
        else f"{usage.free / usage.total:.1%} free under VAR_DIR"
    )


def sqlite_version() -> str:
    """The library can be trusted with the write-ahead log, or the file does not use it."""
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
