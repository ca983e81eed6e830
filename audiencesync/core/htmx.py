"""Requests that htmx sends, and the response headers that htmx and app.js read."""

import json

from django.http import HttpRequest, HttpResponse


def asks(request: HttpRequest) -> bool:
    """Return whether htmx sent the request, so that a part of the page is enough."""
    return bool(getattr(request, "htmx", False))  # set by django-htmx's middleware


def toast(response: HttpResponse, text: str) -> HttpResponse:
    """Add a toast to ``response``; app.js shows it in the live region."""
    response["HX-Trigger"] = json.dumps({"toast": {"text": text}})
    return response
