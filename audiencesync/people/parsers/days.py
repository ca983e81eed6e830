"""Read days as people type them: 2026-11-23, 23.11.2026, 23.11.26."""

from __future__ import annotations

from datetime import datetime

FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%d.%m.%y")


def day(text: str) -> str | None:
    """Return a date such as ``23.11.2026`` in the form 2026-11-23; None for other texts."""
    for date_format in FORMATS:
        try:
            parsed = datetime.strptime(text.strip(), date_format)  # noqa: DTZ007  # a day: no zone
        except ValueError:
            continue
        return parsed.date().isoformat()
    return None
