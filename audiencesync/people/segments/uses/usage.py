"""What uses a segment: other segments, and what other packages report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from django.urls import reverse

from audiencesync.people.models import Segment
from audiencesync.people.segments.uses import references


@dataclass(frozen=True, slots=True)
class Use:
    """Something that uses a segment.

    ``is_live``: a change of the segment has an effect at once. ``through``: the name of the segment
    between them; empty if it names the segment itself.
    """

    name: str
    url: str
    is_live: bool = False
    through: str = ""


# Of several segments at once: (primary key of the segment, its use).
Source = Callable[[Sequence[Segment]], Iterable[tuple[int, Use]]]
_sources: list[Source] = []


def provide(source: Source) -> None:
    """Add a source; each app that uses segments calls this once."""
    _sources.append(source)


def of(segment: Segment) -> list[Use]:
    """Return what uses a segment: what other packages report, then other segments.

    Also what uses it through another segment, which a change of the segment changes as well.
    """
    above = references.above(segment)
    names = {one.pk: one.name for one in above}
    found: dict[str, Use] = {}
    for pk, use in _reported([segment, *above]):
        found.setdefault(use.url, replace(use, through=names.get(pk, "")))
    return [*found.values(), *_segments(segment)]


def direct(segment: Segment) -> list[Use]:
    """Return what names the segment itself, and keeps it from being removed."""
    return [*(use for _pk, use in _reported([segment])), *_segments(segment)]


def _reported(segments: Sequence[Segment]) -> list[tuple[int, Use]]:
    """Return the uses by other packages, those of the first segment first."""
    found = [one for source in _sources for one in source(segments)]
    return sorted(found, key=lambda one: one[0] != segments[0].pk)


def _segments(segment: Segment) -> list[Use]:
    slug = segment.app_group.slug
    return [
        Use(row.name, reverse("segment", args=[slug, row.pk])) for row in references.users(segment)
    ]
