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


# A source returns the uses of several segments: (primary key of the segment, its use).
Source = Callable[[Sequence[Segment]], Iterable[tuple[int, Use]]]
_sources: list[Source] = []


def provide(source: Source) -> None:
    """Add a source; each app that uses segments calls this once."""
    _sources.append(source)


def of(segment: Segment) -> list[Use]:
    """Return what uses a segment: what other packages report, then other segments.

    What uses it through another segment is included: a change of the segment affects that, too.
    """
    referring = references.all_users(segment)
    names = {segment.pk: segment.name for segment in referring}
    uses: dict[str, Use] = {}
    for pk, use in _uses_elsewhere([segment, *referring]):
        uses.setdefault(use.url, replace(use, through=names.get(pk, "")))
    return [*uses.values(), *_uses_by_segments(segment)]


def direct(segment: Segment) -> list[Use]:
    """Return what names the segment itself, and keeps it from being removed."""
    return [*(use for _pk, use in _uses_elsewhere([segment])), *_uses_by_segments(segment)]


def _uses_elsewhere(segments: Sequence[Segment]) -> list[tuple[int, Use]]:
    """Return the uses by other packages, those of the first segment first."""
    uses = [use for source in _sources for use in source(segments)]
    return sorted(uses, key=lambda use: use[0] != segments[0].pk)


def _uses_by_segments(segment: Segment) -> list[Use]:
    slug = segment.app_group.slug
    return [
        Use(row.name, reverse("segment", args=[slug, row.pk]))
        for row in references.direct_users(segment)
    ]
