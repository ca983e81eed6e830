"""Count how many people can be identified to a partner, by kind of identifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from audiencesync.people import eligibility
from audiencesync.people.models import KINDS, Profile


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of ``total`` people: how many have a usable identifier of each kind, and how many have none.

    ``refused``: people without consent, whether they have an identifier or not. ``untracked``:
    people known only by a device whose ad tracking is off. ``addable``: how many would be sent.
    """

    total: int
    by_kind: dict[str, int]
    none: int
    refused: int = 0
    untracked: int = 0
    addable: int = 0


def coverage(
    people: QuerySet[Profile], kinds: Sequence[str] = KINDS, *, is_strict: bool = False
) -> Coverage:
    """Count in one query. ``kinds``: the kinds to send; without any, no profile is identifiable.

    ``is_strict``: unknown consent counts as refused.
    """
    none_q = eligibility.has_none_q(kinds)
    refused_q = eligibility.no_consent(is_strict=is_strict).q
    untracked_q = eligibility.only_untracked_q(kinds)
    counts = people.order_by().aggregate(
        total=Count("pk"),
        none=Count("pk", filter=none_q),
        refused=Count("pk", filter=refused_q),
        addable=Count("pk", filter=~none_q & ~refused_q & ~untracked_q),
        untracked=Count("pk", filter=~none_q & ~refused_q & untracked_q),
        **{kind: Count(f"{kind}_sha256") for kind in kinds},
    )
    by_kind = {kind: counts[kind] for kind in kinds}
    other_counts = {name: counts[name] for name in ("none", "refused", "untracked", "addable")}
    return Coverage(counts["total"], by_kind, **other_counts)
