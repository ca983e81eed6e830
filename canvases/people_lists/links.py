"""The address of the list behind a number (numbers.py has the names)."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from canvases.models import Canvas, Step


def step_people(step: Step, number: str, reason: str | None = None) -> str:
    """Return the address of the people of a number of a step.

    ``reason``: list only people with this reason or code; empty: only people without a reason.
    """
    path = reverse("step_people", args=[step.canvas.app_group.slug, step.canvas_id, step.pk])
    params = {"number": number} | ({} if reason is None else {"reason": reason})
    return f"{path}?{urlencode(params)}"


def canvas_people(canvas: Canvas, number: str) -> str:
    """Return the address of the people of a number of a canvas."""
    path = reverse("canvas_people", args=[canvas.app_group.slug, canvas.pk])
    return f"{path}?{urlencode({'number': number})}"


def people_url_prefix(canvas_url: str, step: object) -> str:
    """Return the address of the people of a step up to the name of the number.

    Pages with thousands of numbers use this prefix. ``canvas_url``: the address of the canvas page.
    """
    return f"{canvas_url}steps/{step}/people/?number="
