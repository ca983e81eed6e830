"""How wide the flow is, and where its lines run: in rem, as in canvas_flow.css.

The branches of a split are columns side by side. Below them a horizontal merge line leads from each
branch that goes on to the stem, the vertical line in the middle that leads to the next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from canvases.views.stage import flow_view

if TYPE_CHECKING:
    from canvases.views.stage.cards import Card, FlowBranch

CARD = 15.75  # the width of a card
GAP = 1.5  # beside the components of a branch
STAGE = 76.0  # the width for which a window of 1280 px has room
SLACK = 0.01  # widths that differ by less are equal


def width(path: Sequence[Card]) -> float:
    """Return the width of a path: that of its widest block."""
    return max([CARD, *(sum(_widths(card)) for card in path if card.branches)])


def _widths(split: Card) -> list[float]:
    return [GAP + (CARD if split.is_folded else width(branch.path)) for branch in split.branches]


def fitting_zoom(path: Sequence[Card]) -> str:
    """Return the largest zoom at which a path fits the stage; the smallest if none does."""
    share, zooms = 100 * STAGE / width(path), (*flow_view.ZOOMS, *flow_view.SMALLER)
    return next((zoom for zoom in zooms if int(zoom) <= share), zooms[-1])


def draw_merges(path: Sequence[Card]) -> None:
    """Set the classes that draw the lines where branches meet."""
    for card in path:
        if card.branches:
            _draw_merge(card)
        for branch in card.branches:
            draw_merges(branch.path)


def _draw_merge(split: Card) -> None:
    """Set the classes that draw the merge line of a split.

    Each column draws its part. If the line ends at the stem, inside a column, the part of this
    column is too long, and the end beyond the stem is hidden (``wipe``).
    """
    widths = _widths(split)
    ends = list(accumulate(widths))
    centres = [end - width / 2 for end, width in zip(ends, widths, strict=True)]
    placed = zip(split.branches, centres, strict=True)
    going = [centre for branch, centre in placed if not branch.ends]
    if not going:
        return
    stem = ends[-1] / 2
    low, high = min([*going, stem]), max([*going, stem])
    split.wipe = _wipe(min(going), max(going), stem)
    for branch, centre, end, wide in zip(split.branches, centres, ends, widths, strict=True):
        branch.merge = _merge(branch, low=low, high=high, start=end - wide, centre=centre, end=end)


def _wipe(first: float, last: float, stem: float) -> str:
    if first > stem + SLACK:
        return "wipe-start"
    return "wipe-end" if last < stem - SLACK else ""


def _merge(
    branch: FlowBranch, *, low: float, high: float, start: float, centre: float, end: float
) -> str:
    parts = [
        ("merge-start", low < centre - SLACK and high > start + SLACK),
        ("merge-end", high > centre + SLACK and low < end - SLACK),
        ("merge-down", not branch.ends),
    ]
    return " ".join(name for name, is_drawn in parts if is_drawn)
