"""Is this process alive, and is all it needs there? Names only: the answers are open to everybody."""

import logging
import shutil
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audiencesync import beat, crypto, sqlite
from audiencesync.groups.models import BeatSlot

Check = Callable[[], bool]

logger = logging.getLogger(__name__)
SILENCE = timedelta(seconds=30)
LEAST_FREE = 0.05


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers: nothing else is asked, so that a sick database restarts no healthy process."""
    return JsonResponse({"process": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest, more: dict[str, Check] | None = None) -> JsonResponse:
    """200 if everything is there, else 503: {"database": "ok", "engine": "fail", ...}. ``more``: of other storeys."""
    found = {name: _holds(check) for name, check in (CHECKS | (more or {})).items()}
    answer = {name: "ok" if holds else "fail" for name, holds in found.items()}
    return JsonResponse(answer, status=200 if all(found.values()) else 503)


def _holds(check: Check) -> bool:
    try:
        return check()
    except Exception:  # whatever a broken dependency raises is the answer "fail"; its words go to the log only
        logger.warning("readyz: the check %s failed", check.__name__, exc_info=True)
        return False


def database() -> bool:
    """A write works; it is rolled back."""
    with transaction.atomic():
        BeatSlot.objects.update_or_create(pk="readyz", defaults={"slot": 0})
        transaction.set_rollback(True)
    return True


def migrations() -> bool:
    """The tables are those of this version."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def keys() -> bool:
    """What the key ring seals opens again."""
    return crypto.open_sealed(crypto.seal("sample", context="readyz"), context="readyz") == "sample"


def shared_cache() -> bool:
    """The cache gives back what it was given."""
    cache.set("readyz", value=True, timeout=10)
    return cache.get("readyz") is True


def engine() -> bool:
    """A task has passed through some engine lately."""
    pulse = beat.last_pulse()
    return pulse is not None and timezone.now() - pulse <= SILENCE


def disk() -> bool:
    """There is room for the files of this process."""
    usage = shutil.disk_usage(settings.VAR_DIR)
    return usage.free >= LEAST_FREE * usage.total


def sqlite_version() -> bool:
    """The library can be trusted with the write-ahead log, or the file does not use it."""
    if connection.vendor != "sqlite" or sqlite.version() >= sqlite.SAFE_WAL:
        return True
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        return str(cursor.fetchone()[0]).upper() != "WAL"


CHECKS: dict[str, Check] = {
    "database": database,
    "migrations": migrations,
    "keys": keys,
    "cache": shared_cache,
    "engine": engine,
    "disk": disk,
    "sqlite": sqlite_version,
}
