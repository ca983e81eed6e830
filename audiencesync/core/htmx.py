"""Response headers that htmx and app.js read."""

import json

from django.http import HttpResponse


def toast(response: HttpResponse, text: str, *, kind: str = "success") -> HttpResponse:
    """Add a toast to ``response``; app.js shows it in the live region.

    ``kind``: success or danger.
    """
    response["HX-Trigger"] = json.dumps({"toast": {"text": text, "kind": kind}})
    return response
