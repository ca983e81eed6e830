"""Template tags for what a page of a canvas shows very often."""

from collections.abc import Iterable
from functools import lru_cache

from django import template
from django.utils.formats import number_format
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from canvases import analytics
from canvases.people_lists import links
from canvases.steps.base import Text
from canvases.views.stage.cards import WAITING

register = template.Library()
LABELS: dict[str, Text] = {**analytics.METRICS, "waiting": WAITING}


@register.simple_tag
def number_cells(
    columns: Iterable[tuple[str, Text, int | None]], canvas_url: str, step: object
) -> SafeString:
    """The cells of a row of the table of numbers, each a link to its people; a dash for None."""
    language = get_language()
    beginning = escape(links.beginning(canvas_url, step))
    cells = []
    for name, _label, n in columns:
        head, text = _cell(name, n, language)
        link = f'<a class="people-link" href="{beginning}{name}">{text}</a>' if n else text
        cells.append(f"{head}{link}</td>")
    return mark_safe("".join(cells))  # noqa: S308  # each of them is escaped


@lru_cache(maxsize=4096)
def _cell(name: str, n: int | None, language: str | None) -> tuple[str, str]:
    """Return the head and the text of a cell in the active language. Few stand in many rows."""
    head = format_html('<td class="num{}" data-label="{}">', _tone(name, n), LABELS[name])
    return head, "–" if n is None else number_format(n)


def _tone(name: str, n: int | None) -> str:
    if not n:
        return " is-zero"
    return " text-bad" if name == "errored" else ""
