"""The numbers at the foot of a card, made without a template.

A canvas has up to 200 cards, and a poll may return all of them: a template for each takes longer.
"""

from collections.abc import Iterator
from functools import lru_cache

from django import template
from django.utils.formats import number_format
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext

from audiencesync.groups.templatetags.ui import icon
from canvases.views.stage.cards import Card

register = template.Library()


@register.simple_tag
def card_foot(card: Card, *, is_launched: bool) -> SafeString:
    """Return the foot of a card. If a card has no problems, polls send only this part of it."""
    parts = (
        _sending_parts(card)
        if card.sends and is_launched
        else _passing_parts(card, is_launched=is_launched)
    )
    html = f'<span class="step-tally" id="foot-{card.id}">{"".join(parts)}</span>'
    return mark_safe(html)  # noqa: S308  # names are escaped, the rest is our own


def _sending_parts(card: Card) -> Iterator[str]:
    """Yield three numbers of a step that sends, and its bar."""
    counts = card.numbers
    yield '<span class="step-numbers">'
    for n, tone, word in (
        (counts.synced, "", gettext("synced")),
        (counts.pending, "is-pending", gettext("pending")),
        (counts.errored, "text-bad", gettext("errored")),
    ):
        yield f'<span class="{tone if n else "is-zero"}"><b>{_number_text(n)}</b> {word}</span> '
    yield '</span><svg class="step-bar" width="100%" height="4" aria-hidden="true" '
    yield 'focusable="false"><rect class="bar-rest" width="100%" height="4"></rect>'
    for name, x, width in card.bar:
        yield f'<rect class="{name}" x="{x}" width="{width}" height="4"></rect>'
    yield "</svg>"


def _passing_parts(card: Card, *, is_launched: bool) -> Iterator[str]:
    """Yield how many people came, whether settings are missing, and how many people wait.

    If no person waits at a split, yield the share of its first branch instead.
    """
    counts = card.numbers
    yield '<span class="step-foot">'
    if is_launched:
        word = gettext("left") if card.ends_path else gettext("entered")
        n_text = _number_text(counts.entered or 0)  # None only where dates are chosen
        yield f'<span><b class="step-count" id="count-{card.id}">{n_text}</b> '
        yield f"{word}</span>"
    if card.is_incomplete:
        word = gettext("Incomplete")
        yield f'<span class="chip chip-warn">{word}</span>'
    if is_launched and not counts.waiting and (share := card.first_share):
        percent, name = share
        yield f'<span class="chip chip-plain">{percent} % <bdi>{escape(name)}</bdi></span>'
    if counts.waiting:
        text = gettext("%(n)s waiting") % {"n": _number_text(counts.waiting)}
        yield f'<span class="chip chip-accent">{icon("hourglass")} {text}</span>'
    yield "</span>"


def _number_text(n: int) -> str:
    return _number_text_in(n, get_language())


@lru_cache(maxsize=4096)
def _number_text_in(n: int, language: str | None) -> str:
    """Return a number as the active language writes it; ``language`` is for the cache only."""
    return str(number_format(n))
