"""Template tags for what a page of a canvas shows very often."""

from collections.abc import Iterable
from functools import lru_cache

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from canvases import analytics
from canvases.steps.base import Text
from canvases.views.cards import WAITING

register = template.Library()
LABELS: dict[str, Text] = {**analytics.METRICS, "waiting": WAITING}


@register.simple_tag
def number_cells(columns: Iterable[tuple[str, Text, int | None]]) -> SafeString:
    """The cells of a row of the table of numbers; a dash for None."""
    language = get_language()
    cells = [_cell(name, n, language) for name, _label, n in columns]
    return mark_safe("".join(cells))  # noqa: S308  # each of them is escaped


@lru_cache(maxsize=4096)
def _cell(name: str, n: int | None, language: str | None) -> SafeString:
    """Return a cell in the active language. The same few stand in many rows."""
    cell = '<td class="num{}" data-label="{}">{}</td>'
    text = "–" if n is None else number_format(n)
    return format_html(cell, _tone(name, n), LABELS[name], text)


def _tone(name: str, n: int | None) -> str:
    if not n:
        return " is-zero"
    return " text-bad" if name == "errored" else ""
