"""The OpenAPI document: what ninja knows from the code, and what holds for every operation."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

Part = dict[str, Any]
UNKEPT = frozenset({"/users/export/ids"})  # no Idempotency-Key: what it tells of people is not kept
_WHOLE = {"type": "integer", "minimum": 0}
_RATE: Part = {
    "X-RateLimit-Limit": {
        "description": "Calls in the window, of the whole app group",
        "schema": _WHOLE,
    },
    "X-RateLimit-Remaining": {"description": "Calls that are left in the window", "schema": _WHOLE},
    "X-RateLimit-Reset": {"description": "Seconds until the window ends", "schema": _WHOLE},
}
_WAIT: Part = {
    "Retry-After": {"description": "Seconds to wait", "schema": _WHOLE},
    "X-Ratelimit-Retry-After": {"description": "Seconds to wait", "schema": _WHOLE},
    "X-RateLimit-Limit": _RATE["X-RateLimit-Limit"],
    "X-RateLimit-Reset": {"description": "When the window ends, in Unix time", "schema": _WHOLE},
}
_ONCE: Part = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "The same call with the same key is done once; for 24 hours its repetition gets the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_REPLAYED: Part = {
    "Idempotent-Replayed": {
        "description": "The answer of before",
        "schema": {"type": "string", "enum": ["true"]},
    }
}


class Api(NinjaAPI):
    """A NinjaAPI whose document holds what it cannot know."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Name operations by their addresses: generated clients make functions of these names."""
        document = super().get_openapi_schema(**options)
        document["servers"] = [{"url": settings.SITE_URL, "description": "This installation"}]
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                operation["operationId"] = path.strip("/").replace("/", "_")
                _add_headers(operation, is_kept=method == "post" and path not in UNKEPT)
        for name in ("attributes", "events", "purchases"):
            _bound(document["components"]["schemas"]["Track"]["properties"][name])
        return document


def _add_headers(operation: Part, *, is_kept: bool) -> None:
    if is_kept:
        operation["parameters"] = [*operation["parameters"], _ONCE]
    for status, answer in operation["responses"].items():
        if int(status) == 429:
            answer["headers"] = _WAIT
        elif int(status) < 300:
            answer["headers"] = _RATE | (_REPLAYED if is_kept else {})


def _bound(array: Part) -> None:
    """How many objects of one kind a call of /users/track may bring; the operator sets it."""
    for shape in (array, *array.get("anyOf", [])):
        if shape.get("type") == "array":
            shape["maxItems"] = settings.API_MAX_OBJECTS
