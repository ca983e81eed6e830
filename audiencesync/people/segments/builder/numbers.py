"""Count the people that the builder shows, by identifier and by condition, with a sample of ten."""

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

# Time limits of counting: before the page says "counting", and of its second attempt.
FIRST_SECONDS, MOST_SECONDS = 2.0, 10.0
SAMPLE_SIZE = 10
CACHE_SECONDS = 60


LABELS = {
    "email": gettext_lazy("E-mail"),
    "phone": gettext_lazy("Phone"),
    "idfa": gettext_lazy("iOS IDFA"),
    "gaid": gettext_lazy("Android GAID"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """How many people have a usable identifier; ``width``: their share of the segment, for SVG."""

    label: str
    n: int
    width: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """What was counted. ``coverage``: None if it was too slow or there is no valid filter.

    ``of``: number of people in the app group. ``by_place``: place of a group or condition in the
    tree of the builder -> number of people.
    """

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
        """Return whether no person matches although each condition finds people."""
        return (
            self.of != 0
            and self.coverage is not None
            and not (
                self.coverage.total or self.reasons or 0 in map(self.by_place.get, self._leaves)
            )
        )

    @property
    def _leaves(self) -> list[str]:
        parents = {place.rpartition(".")[0] for place in self.by_place}
        return [place for place in self.by_place if place not in parents]

    @property
    def share(self) -> float | None:
        """Return how many per cent of the group's people match; None if that is not known."""
        if self.coverage is None or not self.of:
            return None
        return 100 * self.coverage.total / self.of


def count(
    app_group: AppGroup,
    raw_filter: Any,
    parts: Mapping[str, Any],
    *,
    seconds: float,
    after: int = 0,
) -> Numbers:
    """Count the people of a filter and of its parts. If ``raw_filter`` is None, only of the parts.

    The sample begins after the profile id ``after``.
    """
    if raw_filter is None:
        by_place = _by_place(app_group, parts, seconds=seconds)
        reasons = zero.reasons(app_group, parts, by_place, now=timezone.now())
        return Numbers(by_place=by_place, reasons=reasons)
    segments = filters.load_segments([raw_filter])
    try:
        profiles = Profile.objects.filter(
            filters.parse(raw_filter, segments=segments, app_group=app_group.pk),
            app_group=app_group,
        )
        with at_most(seconds):
            people_coverage = coverage(profiles, is_strict=app_group.consent_required)
            group_size = _group_size(app_group)
            sample = _sample(profiles, after)
    except filters.FilterError:
        return Numbers()
    except TooSlow:
        return Numbers(is_too_slow=True)
    by_place = _by_place(app_group, parts, seconds=seconds)
    reasons = zero.reasons(app_group, parts, by_place, now=timezone.now()) if group_size else {}
    return Numbers(people_coverage, group_size, by_place=by_place, sample=sample, reasons=reasons)


def _group_size(app_group: AppGroup) -> int:
    """Return how many people the group has."""
    key = f"people-of-{app_group.pk}"
    n: int | None = cache.get(key)
    if n is None:
        n = Profile.objects.filter(app_group=app_group).count()
        cache.set(key, n, CACHE_SECONDS)
    return n


def _sample(people: Any, after: int) -> list[Profile]:
    """Return people with ids above ``after``; after the last person, begin again at the first."""
    ordered = people.order_by("pk")
    sample = list(ordered.filter(pk__gt=after)[:SAMPLE_SIZE])
    if after and len(sample) < SAMPLE_SIZE:
        sample += list(ordered.filter(pk__lte=after)[: SAMPLE_SIZE - len(sample)])
    return sample


def _by_place(app_group: AppGroup, parts: Mapping[str, Any], *, seconds: float) -> dict[str, int]:
    """Return place -> people of each group and condition; nothing if it takes too long."""
    segments = filters.load_segments(parts.values())
    queries = {}
    for place, part in parts.items():
        try:
            queries[f"n{place.replace('.', '_')}"] = filters.parse(
                part, segments=segments, app_group=app_group.pk
            )
        except filters.FilterError:
            continue
    if not queries:
        return {}
    profiles = Profile.objects.filter(app_group=app_group)
    try:
        with at_most(seconds):
            counts = profiles.aggregate(
                **{name: Count("pk", filter=query) for name, query in queries.items()}
            )
    except TooSlow:
        return {}
    return {name[1:].replace("_", "."): n for name, n in counts.items()}
