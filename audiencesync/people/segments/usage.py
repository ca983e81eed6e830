"""What uses a segment: other segments, and what other packages report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.urls import reverse

from audiencesync.people.models import Segment
from audiencesync.people.segments import references


@dataclass(frozen=True, slots=True)
class Use:
    """Something that uses a segment. ``is_live``: a change of the segment has an effect at once."""

    name: str
    url: str
    is_live: bool = False


_sources: list[Callable[[Segment], Iterable[Use]]] = []


def provide(source: Callable[[Segment], Iterable[Use]]) -> None:
    """Add a source; each app that uses segments calls this once."""
    _sources.append(source)


def of(segment: Segment) -> list[Use]:
    """Return what uses a segment: what other packages report, then other segments."""
    slug = segment.app_group.slug
    found = [use for source in _sources for use in source(segment)]
    return found + [
        Use(row.name, reverse("segment", args=[slug, row.pk])) for row in references.users(segment)
    ]
