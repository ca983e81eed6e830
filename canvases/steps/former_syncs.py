"""Former Syncs of a step that still have pending deliveries, and whether the current one has any.

A Sync may be undone by another one, which removes the people who left (`Sync.undoes`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Prefetch, Q
from django.utils.translation import gettext

from canvases.steps.audience_form import FIELD_NAMES
from partners.connections.problems import SYNC_RELATED
from partners.models import Action, Sync

if TYPE_CHECKING:
    from canvases.models import Step

SYNC_COLUMNS = ("audience_id", "action", "kinds")
PENDING_SYNCS = (
    Sync.objects.filter(Q(tally__pending__gt=0) | Q(undone_by__tally__pending__gt=0))
    .select_related("tally", "undone_by__tally", SYNC_RELATED)
    .order_by("pk")
)
# Prefetch this before you call `of` for many steps.
PREFETCH = Prefetch("syncs", PENDING_SYNCS, to_attr="syncs_with_people")


def of(step: Step, *, is_removal: bool = False) -> list[Sync]:
    """Return the Syncs with pending deliveries that do something else than the step does now.

    ``is_removal``: the step is to be removed, so return all Syncs with pending deliveries.
    """
    pending = [row for row in _with_people(step) if row.tally.pending]
    return [row for row in pending if is_removal or not does_the_same(row, step)]


def n_on_their_way(step: Step) -> list[tuple[Sync, int]]:
    """Return each former Sync and how many people are pending in it, removals included."""
    return [
        (row, row.tally.pending + n_leaving(row))
        for row in _with_people(step)
        if not does_the_same(row, step)
    ]


def n_leaving(row: Sync) -> int:
    """Return how many people who left are still to be removed."""
    undoing: Sync | None = getattr(row, "undone_by", None)
    return undoing.tally.pending if undoing is not None else 0


def _with_people(step: Step) -> list[Sync]:
    prefetched: list[Sync] | None = getattr(step, PREFETCH.to_attr or "", None)
    return list(PENDING_SYNCS.filter(steps=step)) if prefetched is None else prefetched


def has_people(step: Step) -> bool:
    """Return whether people are pending in the current Sync of a step, removals included."""
    return any(row.pk == step.sync_id for row in _with_people(step))


def does_the_same(row: Sync, step: Step) -> bool:
    """Return whether a Sync does what the current Sync of the step does."""
    if step.removed_at is not None or step.sync is None:
        return False
    return all(getattr(row, name) == getattr(step.sync, name) for name in SYNC_COLUMNS)


def label(row: Sync) -> str:
    """Return what a Sync does, such as: Add to “winback”."""
    params = {"name": row.audience.name}
    if row.action == Action.ADD:
        return gettext("Add to “%(name)s”") % params
    return gettext("Remove from “%(name)s”") % params


def long_label(row: Sync) -> str:
    """Return the label with ad account and fields, which tell similar Syncs apart."""
    fields = ", ".join(str(FIELD_NAMES[kind]) for kind in row.kinds)
    return f"{label(row)} ({row.audience.ad_account.name}; {fields})"
