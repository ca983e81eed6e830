"""Held removals: they wait until a member confirms them (the brake of a canvas).

This package may not import canvases. So canvases passes the functions that find held removals to
`provide`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from partners.incidents.codes import REMOVALS_HELD
from partners.incidents.present import Trouble
from partners.models import Incident


@dataclass(frozen=True, slots=True)
class HoldingCanvas:
    """A canvas that holds removals: its group, and its Syncs, live ones first."""

    app_group: int
    syncs: Sequence[int]


FindHolding = Callable[[int | None], list[HoldingCanvas]]
CountHeld = Callable[[Sequence[int]], dict[int, int]]


@dataclass(frozen=True, slots=True)
class _Callbacks:
    syncs: FindHolding
    people: CountHeld


_callbacks: list[_Callbacks] = []  # empty until `provide` is called, then one entry


def provide(syncs: FindHolding, people: CountHeld) -> None:
    """Set the functions that find held removals.

    ``syncs(app_group)`` returns the canvases that hold removals, of all groups for None.
    ``people(sync_ids)`` returns Sync id -> how many people it holds.
    """
    _callbacks[:] = [_Callbacks(syncs, people)]


def troubles(*, app_group: int | None = None) -> list[Trouble]:
    """Return the removals that are held in one group, or in all."""
    canvases = [canvas for callbacks in _callbacks for canvas in callbacks.syncs(app_group)]
    if not canvases:
        return []
    sync_ids = [sync for canvas in canvases for sync in canvas.syncs]
    rows = Incident.objects.open().filter(code=REMOVALS_HELD, sync__in=sync_ids)
    sync_ids_with_incident = set(rows.values_list("sync", flat=True))

    def place_id(syncs: Sequence[int]) -> int:
        # Keep the Sync of the open incident, although the step may use another Sync since then.
        return next((sync for sync in syncs if sync in sync_ids_with_incident), syncs[0])

    return [
        Trouble(canvas.app_group, "sync", place_id(canvas.syncs), REMOVALS_HELD)
        for canvas in canvases
    ]


def people(incidents: Sequence[Incident]) -> dict[int, int]:
    """Return incident id -> how many people wait, for the incidents about held removals."""
    incident_of_sync = {
        incident.sync_id: incident.pk
        for incident in incidents
        if incident.code == REMOVALS_HELD and incident.sync_id
    }
    if not incident_of_sync:
        return {}
    n_held = dict.fromkeys(incident_of_sync.values(), 0)
    for callbacks in _callbacks:
        n_held |= {
            incident_of_sync[sync]: n
            for sync, n in callbacks.people(list(incident_of_sync)).items()
        }
    return n_held
