"""The OpenAPI document: ninja's document plus what is common to all operations."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

Part = dict[str, Any]
# Responses with personal data are not stored, so these calls take no Idempotency-Key. Reading twice
# does no harm.
NOT_STORED = frozenset({"/users/export/ids"})
_NON_NEGATIVE = {"type": "integer", "minimum": 0}
_RATE_HEADERS: Part = {
    "X-RateLimit-Limit": {
        "description": "Calls in the window, of the whole app group",
        "schema": _NON_NEGATIVE,
    },
    "X-RateLimit-Remaining": {
        "description": "Calls that are left in the window",
        "schema": _NON_NEGATIVE,
    },
    "X-RateLimit-Reset": {"description": "Seconds until the window ends", "schema": _NON_NEGATIVE},
}
_WAIT_HEADERS: Part = {
    "Retry-After": {"description": "Seconds to wait", "schema": _NON_NEGATIVE},
    "X-Ratelimit-Retry-After": {"description": "Seconds to wait", "schema": _NON_NEGATIVE},
    "X-RateLimit-Limit": _RATE_HEADERS["X-RateLimit-Limit"],
    "X-RateLimit-Reset": {
        "description": "When the window ends, in Unix time",
        "schema": _NON_NEGATIVE,
    },
}
_IDEMPOTENCY_KEY: Part = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "The same call with the same key is done once; "
    "for 24 hours its repetition gets the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_REPLAYED_HEADER: Part = {
    "Idempotent-Replayed": {
        "description": "The answer of before",
        "schema": {"type": "string", "enum": ["true"]},
    }
}


class Api(NinjaAPI):
    """A NinjaAPI with a completed document."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Add server, headers and limits; name operations by their paths, as generated clients use
        the names.
        """
        document = super().get_openapi_schema(**options)
        document["servers"] = [{"url": settings.SITE_URL, "description": "This installation"}]
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                operation["operationId"] = path.strip("/").replace("/", "_")
                _add_headers(operation, is_stored=method == "post" and path not in NOT_STORED)
        for name in ("attributes", "events", "purchases"):
            _set_max_items(document["components"]["schemas"]["Track"]["properties"][name])
        return document


def _add_headers(operation: Part, *, is_stored: bool) -> None:
    if is_stored:
        operation["parameters"] = [*operation["parameters"], _IDEMPOTENCY_KEY]
    for status, answer in operation["responses"].items():
        if int(status) == 429:
            answer["headers"] = _WAIT_HEADERS
        elif int(status) < 300:
            answer["headers"] = _RATE_HEADERS | (_REPLAYED_HEADER if is_stored else {})


def _set_max_items(array: Part) -> None:
    """Set how many objects of one kind a call of /users/track may hold (API_MAX_OBJECTS)."""
    for shape in (array, *array.get("anyOf", [])):
        if shape.get("type") == "array":
            shape["maxItems"] = settings.API_MAX_OBJECTS
