"""Idempotency-Key: the same call twice is done once. The claim, the work and the answer are one transaction."""

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

KEPT = timedelta(hours=24)
READS = frozenset(
    {"/users/export/ids"}
)  # asked twice they answer twice; what they tell of people is not kept
PATIENCE = "10s"  # for the same call on its way elsewhere
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's word for patience that is at its end
_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
View = Callable[..., HttpResponse]


def once(view: View) -> View:
    """Wrap an operation of the API. What ends in an error has changed nothing and may be asked again."""

    @wraps(view)
    def answer(request: ApiRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        key = request.headers.get("Idempotency-Key")
        if key is None or request.method != "POST" or request.path in READS:
            return view(request, *args, **kwargs)
        if not _KEY.fullmatch(key):
            raise ApiError(400, "Idempotency-Key must be 1 to 255 visible ASCII characters.")
        with transaction.atomic():
            row, is_new = _claim(request, key, now=timezone.now())
            if not is_new:
                return _again(row, request)
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
    """The row of this key. Whoever has it open elsewhere is waited for: the row is there only when they are done."""
    mine = {"app_group": request.app_group, "key_sha256": hashlib.sha256(key.encode()).hexdigest()}
    try:
        _wait_at_most(PATIENCE)
        KeptAnswer.objects.filter(**mine, at__lte=now - KEPT).delete()
        found = KeptAnswer.objects.get_or_create(
            **mine, defaults={"call_sha256": _call(request), "at": now}
        )
        _wait_at_most("DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        raise ApiError(
            409,
            "The same call is being worked on. Ask again in a moment.",
            headers={"Retry-After": "1"},
        ) from error
    return found


def _wait_at_most(time: str) -> None:
    """For locks, within this transaction. SQLite waits as its own time-out says."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {time if time == 'DEFAULT' else repr(time)}")


def _call(request: HttpRequest) -> str:
    """What makes a call the same: method, address and body."""
    start = f"{request.method} {request.get_full_path()}\n".encode()
    return hashlib.sha256(start + request.body).hexdigest()


def _again(row: KeptAnswer, request: HttpRequest) -> HttpResponse:
    if row.call_sha256 != _call(request):
        raise ApiError(422, "This Idempotency-Key was used with another body.")
    response = HttpResponse(row.body, status=row.status, content_type="application/json")
    response["Idempotent-Replayed"] = "true"
    return response


def forget(*, now: datetime) -> None:
    """Drop answers that are too old to be given again."""
    KeptAnswer.objects.filter(at__lte=now - KEPT).delete()
