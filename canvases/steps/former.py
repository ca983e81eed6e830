"""People of a step who still travel under what it asked before it was changed or removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Prefetch
from django.utils.translation import gettext

from canvases.steps.audience_form import FIELD_NAMES
from partners.connections.problems import SYNC_RELATED
from partners.models import Action, Sync

if TYPE_CHECKING:
    from canvases.models import Step

ASKED = ("audience_id", "action", "kinds")
WITH_PEOPLE = (
    Sync.objects.filter(tally__pending__gt=0).select_related("tally", SYNC_RELATED).order_by("pk")
)
PREFETCH = Prefetch("syncs", WITH_PEOPLE, to_attr="syncs_with_people")
"""What to prefetch_related() before asking `of` for many steps."""


def of(step: Step, *, is_leaving: bool = False) -> list[Sync]:
    """The Syncs that people of ``step`` wait for although it asks something else by now (or, if it is to be removed, any
    at all), each with its tally."""
    found: list[Sync] | None = getattr(step, PREFETCH.to_attr or "", None)
    if found is None:
        found = list(WITH_PEOPLE.filter(steps=step))
    return [one for one in found if is_leaving or not is_same(one, step)]


def is_same(one: Sync, step: Step) -> bool:
    """Whether ``one`` asks what the step asks now. A removed step asks nothing."""
    if step.removed_at is not None or step.sync is None:
        return False
    return all(getattr(one, name) == getattr(step.sync, name) for name in ASKED)


def asked(one: Sync) -> str:
    """Such as: Add to “winback”."""
    words = {"name": one.audience.name}
    if one.action == Action.ADD:
        return gettext("Add to “%(name)s”") % words
    return gettext("Remove from “%(name)s”") % words


def precisely(one: Sync) -> str:
    """With the ad account and the fields, where several ask nearly the same."""
    fields = ", ".join(str(FIELD_NAMES[kind]) for kind in one.kinds)
    return f"{asked(one)} ({one.audience.ad_account.name}; {fields})"
