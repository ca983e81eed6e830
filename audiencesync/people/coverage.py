"""How many of a crowd of people can be named to a partner, kind by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from audiencesync.people.models import KINDS, Profile


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of ``total`` people: how many have a usable identifier of each kind, and how many have none of them."""

    total: int
    by_kind: dict[str, int]
    none: int


def coverage(people: QuerySet[Profile], kinds: Sequence[str] = KINDS) -> Coverage:
    """Count in one query. ``kinds``: those that would be sent; without any nobody can be named."""
    nothing = Q(**{f"{kind}_sha256__isnull": True for kind in kinds})
    counted = people.order_by().aggregate(
        total=Count("pk"),
        none=Count("pk", filter=nothing),
        **{kind: Count(f"{kind}_sha256") for kind in kinds},
    )
    return Coverage(counted["total"], {kind: counted[kind] for kind in kinds}, counted["none"])
