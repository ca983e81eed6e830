"""The author of the canvas that a Sync belongs to, who is notified first of its problems."""

from __future__ import annotations

from collections.abc import Iterable

from canvases.models import Step


def of_syncs(syncs: Iterable[int]) -> dict[int, int]:
    """Return Sync id -> the id of the user who created the canvas of its step."""
    links = Step.syncs.through.objects.filter(sync__in=list(syncs))
    with_author = links.exclude(step__canvas__created_by=None)
    return dict(with_author.values_list("sync", "step__canvas__created_by"))
