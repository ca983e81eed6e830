"""People of a step who still travel under what it asked before it was changed or removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Prefetch

from partners.models import Sync
from partners.problems import SYNC_RELATED

if TYPE_CHECKING:
    from canvases.models import Step

ASKED = ("audience_id", "action", "kinds")
WITH_PEOPLE = Sync.objects.filter(tally__pending__gt=0).select_related("tally", SYNC_RELATED).order_by("pk")
PREFETCH = Prefetch("syncs", WITH_PEOPLE, to_attr="syncs_with_people")
"""What to prefetch_related() before asking `of` for many steps."""


def of(step: Step) -> list[Sync]:
    """The Syncs that people of ``step`` wait for although it asks something else by now, each with its tally."""
    found: list[Sync] | None = getattr(step, PREFETCH.to_attr or "", None)
    if found is None:
        found = list(WITH_PEOPLE.filter(steps=step))
    return [one for one in found if not is_same(one, step)]


def is_same(one: Sync, step: Step) -> bool:
    """Whether ``one`` asks what the step asks now. A removed step asks nothing."""
    if step.removed_at is not None or step.sync is None:
        return False
    return all(getattr(one, name) == getattr(step.sync, name) for name in ASKED)
