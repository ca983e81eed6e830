"""How a reader looks at the flow of a canvas: its zoom and folded branches, from the address.

Requests of htmx and forms name no view. They keep the view of the page that they come from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.http import HttpRequest, QueryDict

from audiencesync.core.web import sent_numbers

ZOOMS = ("100", "80", "60", "40")
SMALLER = ("30", "20", "15", "10")  # only to fit
FIT = "fit"
ALL = "all"
MOST_FOLDED = 200


@dataclass(frozen=True, slots=True)
class FlowView:
    """``zoom``: per cent, or "fit". ``folded``: ids of splits with folded branches, or "all"."""

    zoom: str = ZOOMS[0]
    folded: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        """Return the part of a query string that keeps this view, with a leading "&"."""
        zoom = f"&zoom={self.zoom}" if self.zoom != ZOOMS[0] else ""
        return zoom + self._fold_params(self.folded)

    @staticmethod
    def _fold_params(splits: Iterable[str]) -> str:
        return "".join(f"&fold={split}" for split in splits)

    def folds(self, split: str) -> bool:
        """Return whether the branches of a split are folded."""
        return ALL in self.folded or split in self.folded

    def with_zoom(self, zoom: str) -> str:
        """Return the query string of this view with another zoom and the same folds."""
        return f"zoom={zoom}{self._fold_params(self.folded)}"

    def with_folded(self, *folded: str) -> str:
        """Return the query string of this view with other folded branches and the same zoom."""
        return f"zoom={self.zoom}{self._fold_params(folded)}"

    def toggled(self, split: str, splits: list[str]) -> str:
        """Return the query string that folds or unfolds one of the ``splits``."""
        folded = [split_id for split_id in splits if self.folds(split_id)]
        folded_then = (
            [split_id for split_id in folded if split_id != split]
            if split in folded
            else [*folded, split]
        )
        return self.with_folded(*folded_then)


def of_request(request: HttpRequest, path: str) -> FlowView:
    """Return the view that a request names, or that of the page at ``path`` it comes from."""
    if not {"zoom", "fold"}.isdisjoint(request.GET):
        return _parse(request.GET)
    try:
        page = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer", ""))
    except ValueError:  # no address, such as "http://["
        return FlowView()
    return _parse(QueryDict(page.query)) if page.path == path else FlowView()


def _parse(params: QueryDict) -> FlowView:
    zoom = params.get("zoom", "")
    folded = [
        split_id
        for split_id in params.getlist("fold")[:MOST_FOLDED]
        if split_id == ALL or _is_id(split_id)
    ]
    is_known = zoom in ZOOMS or zoom == FIT
    return FlowView(zoom if is_known else ZOOMS[0], tuple(dict.fromkeys(folded)))


def _is_id(text: str) -> bool:
    return sent_numbers.whole(text) is not None
