"""Who is in an audience, for filters. The app ``partners`` provides the functions that say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Q

from audiencesync.groups.models import AppGroup


@dataclass(frozen=True, slots=True)
class Source:
    """The functions that the app ``partners`` provides.

    ``members``: audience id -> query over profiles. ``names``: group -> {audience id: name}.
    ``name``: audience id -> name.
    """

    members: Callable[[int], Q]
    names: Callable[[AppGroup], dict[int, str]]
    name: Callable[[int], str]


_sources: list[Source] = []


def provide(source: Source) -> None:
    """Set the source. The app ``partners`` calls this once, at the start of the process."""
    _sources[:] = [source]


def members(audience: int) -> Q:
    """Return the query, over profiles, of the people that we sent to an audience."""
    return _sources[0].members(audience) if _sources else Q(pk__in=[])


def names(app_group: AppGroup) -> dict[int, str]:
    """Return id -> name of the group's audiences."""
    return _sources[0].names(app_group) if _sources else {}


def name(audience: int) -> str:
    """Return the name of an audience; empty if it is unknown."""
    return _sources[0].name(audience) if _sources else ""
