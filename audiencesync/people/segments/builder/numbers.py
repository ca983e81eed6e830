"""What the builder counts: the people, by identifier and by condition, and ten of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.cache import cache
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext_lazy

from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Profile
from audiencesync.people.segments import filters
from audiencesync.people.segments.builder import zero
from audiencesync.people.segments.uses.coverage import Coverage, coverage

SOON, AT_LAST = 2.0, 10.0  # seconds: before the page says "counting", and before it gives up
SAMPLE = 10
KEPT_SECONDS = 60


LABELS = {
    "email": gettext_lazy("E-mail"),
    "phone": gettext_lazy("Phone"),
    "idfa": gettext_lazy("iOS IDFA"),
    "gaid": gettext_lazy("Android GAID"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """How many people have a usable identifier; ``width``: of all in the segment, for SVG."""

    label: str
    n: int
    width: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """``coverage``: None if it was too slow or there is no valid filter. ``of``: all people."""

    coverage: Coverage | None = None
    of: int | None = None
    is_too_slow: bool = False
    by_place: dict[str, int] = field(default_factory=dict)
    sample: list[Profile] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)  # place -> why it finds no one

    @property
    def bars(self) -> list[Bar]:
        """Return a bar for each kind of identifier; none if the segment is empty."""
        if self.coverage is None or not self.coverage.total:
            return []
        by_kind, total = self.coverage.by_kind, self.coverage.total
        return [
            Bar(str(label), by_kind[kind], f"{100 * by_kind[kind] / total:.1f}%")
            for kind, label in LABELS.items()
        ]

    @property
    def places(self) -> list[tuple[str, int, str]]:
        """Return place, people and why there are none, of each group and condition."""
        return [(place, n, self.reasons.get(place, "")) for place, n in self.by_place.items()]

    @property
    def is_without_reason(self) -> bool:
        """Whether no person matches although each condition finds people."""
        return (
            self.of != 0
            and self.coverage is not None
            and not (
                self.coverage.total or self.reasons or 0 in map(self.by_place.get, self._leaves)
            )
        )

    @property
    def _leaves(self) -> list[str]:
        above = {place.rpartition(".")[0] for place in self.by_place}
        return [place for place in self.by_place if place not in above]

    @property
    def share(self) -> float | None:
        """Return per cent of all people of the group."""
        if self.coverage is None or not self.of:
            return None
        return 100 * self.coverage.total / self.of


def count(
    app_group: AppGroup,
    chosen: Any,
    parts: Mapping[str, Any],
    *,
    seconds: float,
    after: int = 0,
) -> Numbers:
    """Count the people of a filter and of its parts; ``after``: the last person of the sample."""
    if chosen is None:
        by_place = _by_place(app_group, parts, seconds=seconds)
        reasons = zero.reasons(app_group, parts, by_place, now=timezone.now())
        return Numbers(by_place=by_place, reasons=reasons)
    known = filters.known_to([chosen])
    try:
        people = Profile.objects.filter(
            filters.parse(chosen, known=known, app_group=app_group.pk), app_group=app_group
        )
        with at_most(seconds):
            found = coverage(people, is_strict=app_group.consent_required)
            of = _of(app_group)
            sample = _sample(people, after)
    except filters.FilterError:
        return Numbers()
    except TooSlow:
        return Numbers(is_too_slow=True)
    by_place = _by_place(app_group, parts, seconds=seconds)
    reasons = zero.reasons(app_group, parts, by_place, now=timezone.now()) if of else {}
    return Numbers(found, of, by_place=by_place, sample=sample, reasons=reasons)


def _of(app_group: AppGroup) -> int:
    """Return how many people the group has."""
    key = f"people-of-{app_group.pk}"
    n: int | None = cache.get(key)
    if n is None:
        n = Profile.objects.filter(app_group=app_group).count()
        cache.set(key, n, KEPT_SECONDS)
    return n


def _sample(people: Any, after: int) -> list[Profile]:
    """Return the next people after one, and the first ones again when there are no more."""
    rows = people.order_by("pk")
    found = list(rows.filter(pk__gt=after)[:SAMPLE])
    if after and len(found) < SAMPLE:
        found += list(rows.filter(pk__lte=after)[: SAMPLE - len(found)])
    return found


def _by_place(app_group: AppGroup, parts: Mapping[str, Any], *, seconds: float) -> dict[str, int]:
    """Return place -> people of each group and condition; nothing if it takes too long."""
    known = filters.known_to(parts.values())
    wanted = {}
    for place, part in parts.items():
        try:
            wanted[f"n{place.replace('.', '_')}"] = filters.parse(
                part, known=known, app_group=app_group.pk
            )
        except filters.FilterError:
            continue
    if not wanted:
        return {}
    people = Profile.objects.filter(app_group=app_group)
    try:
        with at_most(seconds):
            found = people.aggregate(
                **{name: Count("pk", filter=query) for name, query in wanted.items()}
            )
    except TooSlow:
        return {}
    return {name[1:].replace("_", "."): n for name, n in found.items()}
