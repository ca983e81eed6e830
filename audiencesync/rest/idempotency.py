"""The Idempotency-Key header: a repeated call is processed once.

The claim of the key, the work and the stored response are one transaction: if the work fails, the
key is free again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from audiencesync.groups.models import KeptAnswer
from audiencesync.rest.door import ApiError, ApiRequest
from audiencesync.rest.openapi import NOT_STORED

KEEP_FOR = timedelta(hours=24)
LOCK_TIMEOUT = "10s"  # for the same call that another process is working on
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code after a lock timeout
_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
View = Callable[..., HttpResponse]


def once(view: View) -> View:
    """Wrap an operation of the API. A call that fails changes nothing and may be repeated."""

    @wraps(view)
    def answer(request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        key = request.headers.get("Idempotency-Key")
        if key is None or request.method != "POST" or request.path in NOT_STORED:
            return view(request, *args, **kwargs)
        if not _KEY.fullmatch(key):
            raise ApiError(400, "Idempotency-Key must be 1 to 255 visible ASCII characters.")
        with transaction.atomic():
            row, is_new = _claim(request, key, now=timezone.now())
            if not is_new:
                return _replay(row, request)
            response = view(request, *args, **kwargs)
            if response.status_code >= 400:
                transaction.set_rollback(True)
                return response
            KeptAnswer.objects.filter(pk=row.pk).update(
                status=response.status_code, body=response.content.decode()
            )
        return response

    return answer


def _claim(request: ApiRequest, key: str, *, now: datetime) -> tuple[KeptAnswer, bool]:
    """Return the row of this key and whether it is new.

    Waits for the same call in another process.
    """
    key_columns = {
        "app_group": request.app_group,
        "key_sha256": hashlib.sha256(key.encode()).hexdigest(),
    }
    try:
        _set_lock_timeout(LOCK_TIMEOUT)
        KeptAnswer.objects.filter(**key_columns, at__lte=now - KEEP_FOR).delete()
        row_and_is_new = KeptAnswer.objects.get_or_create(
            **key_columns, defaults={"call_sha256": _call_hash(request), "at": now}
        )
        _set_lock_timeout("DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        raise ApiError(
            409,
            "The same call is being worked on. Try again shortly.",
            headers={"Retry-After": "1"},
        ) from error
    return row_and_is_new


def _set_lock_timeout(timeout: str) -> None:
    """Set PostgreSQL's lock timeout for this transaction; SQLite has its own timeout."""
    if connection.vendor == "postgresql":
        value = timeout if timeout == "DEFAULT" else repr(timeout)  # a time needs quotes
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {value}")


def _call_hash(request: HttpRequest) -> str:
    """Return a hash of method, URL and body."""
    first_line = f"{request.method} {request.get_full_path()}\n".encode()
    return hashlib.sha256(first_line + request.body).hexdigest()


def _replay(row: KeptAnswer, request: HttpRequest) -> HttpResponse:
    if row.call_sha256 != _call_hash(request):
        raise ApiError(422, "This Idempotency-Key was used with another body.")
    response = HttpResponse(row.body, status=row.status, content_type="application/json")
    response["Idempotent-Replayed"] = "true"
    return response


def delete_old(*, now: datetime) -> None:
    """Delete responses that are too old to be replayed."""
    KeptAnswer.objects.filter(at__lte=now - KEEP_FOR).delete()
