"""Former Syncs of a step that still have pending deliveries, and whether the current one has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Prefetch, Q
from django.utils.translation import gettext

from canvases.steps.audience_form import FIELD_NAMES
from partners.connections.problems import SYNC_RELATED
from partners.models import Action, Sync

if TYPE_CHECKING:
    from canvases.models import Step

COMPARED = ("audience_id", "action", "kinds")
WITH_PEOPLE = (
    Sync.objects.filter(Q(tally__pending__gt=0) | Q(undone_by__tally__pending__gt=0))
    .select_related("tally", "undone_by__tally", SYNC_RELATED)
    .order_by("pk")
)
# To prefetch before `of` is called for many steps.
PREFETCH = Prefetch("syncs", WITH_PEOPLE, to_attr="syncs_with_people")


def of(step: Step, *, is_removal: bool = False) -> list[Sync]:
    """Return the Syncs with pending deliveries that are not what the step does now, with tallies.

    ``is_removal``: return all Syncs with pending deliveries.
    """
    mine = [one for one in _with_people(step) if one.tally.pending]
    return [one for one in mine if is_removal or not is_same(one, step)]


def n_on_their_way(step: Step) -> list[tuple[Sync, int]]:
    """Return the former Syncs and how many people are pending, with the removal of who left."""
    return [
        (one, one.tally.pending + n_leaving(one))
        for one in _with_people(step)
        if not is_same(one, step)
    ]


def n_leaving(one: Sync) -> int:
    """Return how many people who left wait to be removed again."""
    undoing: Sync | None = getattr(one, "undone_by", None)
    return undoing.tally.pending if undoing is not None else 0


def _with_people(step: Step) -> list[Sync]:
    found: list[Sync] | None = getattr(step, PREFETCH.to_attr or "", None)
    return list(WITH_PEOPLE.filter(steps=step)) if found is None else found


def has_people(step: Step) -> bool:
    """Return whether people are pending in the current Sync of the step, in or out again."""
    return any(one.pk == step.sync_id for one in _with_people(step))


def is_same(one: Sync, step: Step) -> bool:
    """Return whether a Sync does what the current Sync of the step does."""
    if step.removed_at is not None or step.sync is None:
        return False
    return all(getattr(one, name) == getattr(step.sync, name) for name in COMPARED)


def label(one: Sync) -> str:
    """Return what a Sync does, such as: Add to “winback”."""
    words = {"name": one.audience.name}
    if one.action == Action.ADD:
        return gettext("Add to “%(name)s”") % words
    return gettext("Remove from “%(name)s”") % words


def long_label(one: Sync) -> str:
    """Return the label with ad account and fields, which tell similar Syncs apart."""
    fields = ", ".join(str(FIELD_NAMES[kind]) for kind in one.kinds)
    return f"{label(one)} ({one.audience.ad_account.name}; {fields})"
