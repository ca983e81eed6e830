"""Removals that wait until a member confirms them: canvases name them (see `provide`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from partners.incidents.present import Trouble
from partners.models import Incident

REMOVALS_HELD = "removals_held"
SyncsOf = Callable[[int | None], list[tuple[int, int]]]
PeopleOf = Callable[[Sequence[int]], dict[int, int]]


@dataclass(frozen=True, slots=True)
class _Source:
    syncs: SyncsOf
    people: PeopleOf


_sources: list[_Source] = []


def provide(syncs: SyncsOf, people: PeopleOf) -> None:
    """Set where held removals are found.

    ``syncs``: of a group, or of all -> (group, Sync), one for each place that holds removals.
    ``people``: ids of such Syncs -> how many people each holds.
    """
    _sources[:] = [_Source(syncs, people)]


def troubles(*, app_group: int | None = None) -> list[Trouble]:
    """Return the removals that are held in one group, or in all."""
    return [
        Trouble(group, "sync", sync, REMOVALS_HELD)
        for source in _sources
        for group, sync in source.syncs(app_group)
    ]


def people(incidents: Sequence[Incident]) -> dict[int, int]:
    """Return incident id -> how many people wait, for those about held removals."""
    mine = {one.sync_id: one.pk for one in incidents if one.code == REMOVALS_HELD and one.sync_id}
    if not mine:
        return {}
    found = dict.fromkeys(mine.values(), 0)
    for source in _sources:
        found |= {mine[sync]: n for sync, n in source.people(list(mine)).items()}
    return found
