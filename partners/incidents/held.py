"""Removals that wait until a member confirms them: canvases name them (see `provide`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from partners.incidents.codes import REMOVALS_HELD
from partners.incidents.present import Trouble
from partners.models import Incident


@dataclass(frozen=True, slots=True)
class HeldAt:
    """A canvas that holds removals: its group, and its Syncs, live ones first."""

    app_group: int
    syncs: Sequence[int]


SyncsOf = Callable[[int | None], list[HeldAt]]
PeopleOf = Callable[[Sequence[int]], dict[int, int]]


@dataclass(frozen=True, slots=True)
class _Source:
    syncs: SyncsOf
    people: PeopleOf


_sources: list[_Source] = []


def provide(syncs: SyncsOf, people: PeopleOf) -> None:
    """Set where held removals are found.

    ``syncs``: of a group, or of all -> the canvases that hold removals.
    ``people``: ids of such Syncs -> how many people each holds.
    """
    _sources[:] = [_Source(syncs, people)]


def troubles(*, app_group: int | None = None) -> list[Trouble]:
    """Return the removals that are held in one group, or in all."""
    found = [one for source in _sources for one in source.syncs(app_group)]
    if not found:
        return []
    every = [sync for one in found for sync in one.syncs]
    rows = Incident.objects.open().filter(code=REMOVALS_HELD, sync__in=every)
    known = set(rows.values_list("sync", flat=True))

    def place(syncs: Sequence[int]) -> int:
        # That of its incident, although the step may use another Sync since then.
        return next((sync for sync in syncs if sync in known), syncs[0])

    return [Trouble(one.app_group, "sync", place(one.syncs), REMOVALS_HELD) for one in found]


def people(incidents: Sequence[Incident]) -> dict[int, int]:
    """Return incident id -> how many people wait, for those about held removals."""
    mine = {one.sync_id: one.pk for one in incidents if one.code == REMOVALS_HELD and one.sync_id}
    if not mine:
        return {}
    found = dict.fromkeys(mine.values(), 0)
    for source in _sources:
        found |= {mine[sync]: n for sync, n in source.people(list(mine)).items()}
    return found
