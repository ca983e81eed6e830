"""The version of an open page, and which numbers have changed since.

A version is one text: a hash of what stands outside the flow, a hash of the structure of the flow,
then a hash of each card; four characters a card, so that it fits a query string.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canvases.views.stage.canvas_page import Flow
    from canvases.views.stage.cards import Card

HEAD_CHARACTERS = 8
"""The length of the hash of the page, and of the hash of the structure."""
CARD_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class Changes:
    """The cards whose numbers or problems differ from those on the open page."""

    cards: list[Card] = field(default_factory=list)  # in the flow
    rows: list[Card] = field(default_factory=list)  # in the table of numbers, removed ones, too


def version(flow: Flow) -> str:
    """Return the version of a page that shows all of a flow."""
    heads = _hash(_page(flow), HEAD_CHARACTERS) + _hash(_structure(flow), HEAD_CHARACTERS)
    return heads + "".join(_hash(_card(card), CARD_CHARACTERS) for card in flow.all_cards)


def changes(flow: Flow, shown_version: str) -> Changes | None:
    """Return what differs from the version on a page; None if the whole flow must be drawn."""
    current_version = flow.version
    start = 2 * HEAD_CHARACTERS
    # The hash of the page is not compared: each answer has the head of the page anyway.
    structure = slice(HEAD_CHARACTERS, start)
    if (
        len(shown_version) != len(current_version)
        or shown_version[structure] != current_version[structure]
    ):
        return None
    places = range(start, len(current_version), CARD_CHARACTERS)
    rows = [
        card
        for card, offset in zip(flow.all_cards, places, strict=True)
        if shown_version[offset : offset + CARD_CHARACTERS]
        != current_version[offset : offset + CARD_CHARACTERS]
    ]
    # The cards of removed steps have no number: they are rows of the table alone.
    return Changes([card for card in rows if card.number], rows)


def _hash(content: object, length: int) -> str:
    # Base64 turns three bytes into four characters.
    digest = hashlib.blake2b(repr(content).encode(), digest_size=length * 3 // 4).digest()
    return base64.urlsafe_b64encode(digest).decode()


def _page(flow: Flow) -> object:
    canvas = flow.canvas
    return (
        canvas.name,
        canvas.description,
        canvas.entered,
        canvas.turned_away,
        canvas.too_old,
        canvas.next_run_at,
        flow.entry,
        flow.headcounts,
        flow.n_left_early,
        flow.banner,
        flow.n_held,
    )


def _structure(flow: Flow) -> object:
    """Return everything whose change requires the whole flow to be drawn again."""
    cards = [
        (
            card.id,
            card.place,
            card.step.name,
            str(card.summary),
            card.icon,
            card.tone,
            (card.problems[0].url, str(card.problems[0].button)) if card.problems else "",
            card.conflicts,
            card.is_holding,
            [(branch.number, str(branch.label)) for branch in card.branches],
        )
        for card in flow.cards
    ]
    return flow.canvas.state, cards, [card.id for card in flow.removed]


def _card(card: Card) -> object:
    return (
        card.numbers,
        [(share.text, [n for _name, _label, n in share.metrics]) for share in card.shares],
        card.removed,
        [str(problem.text) for problem in card.problems],
        [branch.n for branch in card.branches],
        card.n_merged,
    )
