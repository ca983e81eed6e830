"""Template tags for the many rows of the table of numbers on the page of a canvas."""

from functools import lru_cache

from django import template
from django.utils.formats import number_format
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from canvases import analytics
from canvases.people_lists import links
from canvases.steps.base import Text
from canvases.views.stage.cards import WAITING, Card

register = template.Library()
LABELS: dict[str, Text] = {**analytics.METRICS, "waiting": WAITING}


@register.simple_tag
def number_row(card: Card, canvas_url: str) -> SafeString:
    """Return a row of the table. Each number links to its people; a dash stands for None."""
    language = get_language()
    beginning = escape(links.people_url_prefix(canvas_url, card.id))
    cells = []
    for name, _label, n in card.columns:
        head, text = _cell(name, n, language)
        link = f'<a class="people-link" href="{beginning}{name}">{text}</a>' if n else text
        cells.append(f"{head}{link}</td>")
    row = f'<tr id="row-{card.id}">{"".join(cells)}</tr>'
    return mark_safe(row)  # noqa: S308  # each of the cells is escaped


@lru_cache(maxsize=4096)
def _cell(name: str, n: int | None, language: str | None) -> tuple[str, str]:
    """Return the opening tag and the text of a cell. Cached: many rows have the same cells.

    ``language``: the active language, for the cache only.
    """
    head = format_html('<td class="num{}" data-label="{}">', _tone(name, n), LABELS[name])
    return head, "–" if n is None else number_format(n)


def _tone(name: str, n: int | None) -> str:
    if not n:
        return " is-zero"
    return " text-bad" if name == "errored" else ""
