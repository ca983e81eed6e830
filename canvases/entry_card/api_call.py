"""The API call that lets a person enter a canvas, as a shell command."""

from __future__ import annotations

import json

from django.conf import settings

from canvases.models import Canvas


def curl(canvas: Canvas) -> str:
    """Return a command that works once API_KEY and the ID of a person are filled in."""
    person = {"external_user_id": "USER_ID"}
    body = json.dumps({"canvas_id": str(canvas.api_id), "recipients": [person]}, indent=2)
    return (
        f"curl -X POST '{settings.SITE_URL}/canvas/trigger/send' \\\n"
        '  -H "Authorization: Bearer $API_KEY" \\\n'
        f"  -H 'Content-Type: application/json' \\\n  -d '{body}'"
    )
