"""The address of the list behind a number."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from canvases.models import Step


def step_people(step: Step, number: str, reason: str | None = None) -> str:
    """Return the address of the people of a number of a step (numbers.py has the names).

    ``reason``: only those of this reason or code; empty: those without one.
    """
    path = reverse("step_people", args=[step.canvas.app_group.slug, step.canvas_id, step.pk])
    asked = {"number": number} | ({} if reason is None else {"reason": reason})
    return f"{path}?{urlencode(asked)}"
