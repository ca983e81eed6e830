"""The filter language of segments, splits, entries, exits and the API: JSON -> Q, or words.

A filter is ``{}`` (all profiles), a group ``{"all": [...]}``, ``{"any": [...]}`` or
``{"none": [...]}``, or a condition:

``{"field": "country", "op": "is", "value": "DE"}``
``{"event": "order", "op": "at_least", "n": 2, "days": 30, "where": [{"property": ...}]}``
``{"purchase": "", "op": "last_before", "days": 90}``
``{"segment": "<api_id>", "op": "not_in"}`` and ``{"audience": 7, "op": "in"}``

Days are in UTC. A missing value "is not" any value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from audiencesync.people.models import Profile, Segment
from audiencesync.people.segments import audiences, conditions_sql, events_sql
from audiencesync.people.segments.conditions_sql import whole_email
from audiencesync.people.segments.nodes import (
    CUSTOM,
    EVERYBODY,
    FIELDS,
    LONGEST_NAME,
    MAX_CHAIN,
    NO_VALUE,
    OPS,
    RELATIVE,
    AudienceCondition,
    Condition,
    EventCondition,
    FilterError,
    Group,
    Leaf,
    Node,
    SegmentCondition,
    leaves,
)
from audiencesync.people.segments.reader import ops_of, read
from audiencesync.people.segments.uses import references
from audiencesync.people.segments.uses.references import ReferencedSegment, check
from audiencesync.people.segments.words import describe

__all__ = [
    "CUSTOM",
    "Condition",
    "EVERYBODY",
    "EventCondition",
    "FIELDS",
    "FilterError",
    "Group",
    "ReferencedSegment",
    "LONGEST_NAME",
    "MAX_CHAIN",
    "NO_VALUE",
    "OPS",
    "RELATIVE",
    "check",
    "describe",
    "imports_in",
    "is_timed",
    "is_timed_leaf",
    "load_segments",
    "members",
    "of_event",
    "of_node",
    "ops_of",
    "parse",
    "read",
    "has_references",
    "segments_in",
    "n_values",
    "values_of",
    "whole_email",
]


def parse(
    raw: object,
    *,
    now: datetime | None = None,
    segments: Mapping[str, ReferencedSegment] | None = None,
    app_group: int | None = None,
) -> Q:
    """Return the query of a filter. Raise FilterError.

    ``segments``: those it refers to, by api_id, if they are loaded already (``load_segments``).
    ``app_group``: the group of the profiles that the query reads; some queries are faster with it.
    """
    tree = read(raw)
    loaded = references.load([tree]) if segments is None else segments
    return _Query(now or timezone.now(), loaded, app_group).of(tree)


def of_node(node: Node, *, now: datetime, segments: Mapping[str, ReferencedSegment]) -> Q:
    """Return the query of a part of a filter. Raise FilterError."""
    return _Query(now, segments, None).of(node)


def members(segment: Segment, *, now: datetime | None = None) -> QuerySet[Profile]:
    """Return the profiles in a segment now. Raise FilterError if its filter is invalid."""
    app_group = segment.app_group_id
    return Profile.objects.filter(
        parse(segment.filter, now=now, app_group=app_group), app_group=app_group
    )


def of_event(event_filter: Mapping[str, Any], *, now: datetime) -> Q:
    """Return the condition on events of an entry or exit. Raise FilterError.

    Shape: {"kind": event or purchase, "name": "" for any purchase, "where": as in a filter}.
    """
    node = read(
        {
            event_filter["kind"]: event_filter["name"],
            "op": "at_least",
            "n": 1,
            **_where_of(event_filter),
        }
    )
    assert isinstance(node, EventCondition)
    return events_sql.of_event(node, now)


def _where_of(event_filter: Mapping[str, Any]) -> dict[str, Any]:
    return {"where": event_filter["where"]} if event_filter.get("where") else {}


class _Query:
    """Turns a tree into a query, with all times relative to ``now``."""

    def __init__(
        self, now: datetime, segments: Mapping[str, ReferencedSegment], app_group: int | None
    ) -> None:
        self.now, self.segments, self.app_group = now, segments, app_group
        self.depth = 0  # how many segments the present node is nested in

    def of(self, node: Node) -> Q:
        if isinstance(node, Group):
            return self._group(node)
        if isinstance(node, Condition):
            return conditions_sql.of_profile(node, self.now)
        if isinstance(node, EventCondition):
            return events_sql.query(node, self.now, self.app_group)
        inside = (
            self._segment(node)
            if isinstance(node, SegmentCondition)
            else audiences.members(node.audience)
        )
        return inside if node.op == "in" else ~inside

    def _group(self, node: Group) -> Q:
        if not node.parts:
            return Q()
        query = reduce(and_ if node.match == "all" else or_, map(self.of, node.parts))
        return ~query if node.match == "none" else query

    def _segment(self, node: SegmentCondition) -> Q:
        """Inline the filter of another segment; a segment of another group matches no person."""
        referenced = self.segments.get(node.segment)
        if referenced is None or referenced.tree is None:
            raise FilterError("", _("A segment it refers to no longer exists or cannot be read."))
        if self.depth >= MAX_CHAIN:
            raise FilterError("", _("These segments refer to one another in a circle."))
        self.depth += 1
        query = self.of(referenced.tree) & Q(app_group=referenced.app_group_id)
        self.depth -= 1
        return query


def load_segments(filters: Iterable[object]) -> dict[str, ReferencedSegment]:
    """Return the segments that these filters refer to, for ``parse`` and ``describe``."""
    return references.load([tree for tree in map(_tree_or_none, filters) if tree])


def has_references(raw: object) -> bool:
    """Return whether a filter refers to a segment or audience, which ``check`` must look at."""
    return any(isinstance(leaf, SegmentCondition | AudienceCondition) for leaf in _own_leaves(raw))


def segments_in(raw: object) -> set[str]:
    """Return the api_ids of the segments in a filter itself; none if it cannot be read."""
    tree = _tree_or_none(raw)
    return references.segments_named(tree) if tree else set()


def is_timed(raw: object) -> bool:
    """Return whether time alone changes what a filter finds, itself or through another segment.

    True also for a condition on an audience: what is sent to the audience changes no profile.
    """
    return any(map(is_timed_leaf, _all_leaves(raw)))


def is_timed_leaf(leaf: Leaf) -> bool:
    """Return whether time alone changes what a condition finds, leaving out a segment it names."""
    if isinstance(leaf, Condition):
        return leaf.op in RELATIVE
    if isinstance(leaf, EventCondition):
        is_relative = [part.op in RELATIVE for part in leaf.where]
        return leaf.days is not None or any(is_relative)
    return isinstance(leaf, AudienceCondition)


def imports_in(raw: object) -> set[int]:
    """Return the numbers of the CSV imports in a filter; none if it cannot be read."""
    return {int(value) for value in values_of(raw, "import")}


def n_values(raw: object) -> int:
    """Return how many values a filter compares with; 0 if it cannot be read."""
    return sum(map(_n_leaf_values, _own_leaves(raw)))


def _n_leaf_values(leaf: Leaf) -> int:
    if isinstance(leaf, Condition):
        return len(leaf.value) if isinstance(leaf.value, tuple) else 1
    return 1 + sum(map(_n_leaf_values, leaf.where)) if isinstance(leaf, EventCondition) else 1


def values_of(raw: object, field: str) -> list[str]:
    """Return the values that a filter compares a field with; none if it cannot be read."""
    values: list[str] = []
    for leaf in _own_leaves(raw):
        if isinstance(leaf, Condition) and leaf.field == field and leaf.value is not None:
            values += map(str, leaf.value if isinstance(leaf.value, tuple) else (leaf.value,))
    return values


def _own_leaves(raw: object) -> Iterator[Leaf]:
    """Yield the conditions of a filter itself; none if it cannot be read."""
    tree = _tree_or_none(raw)
    return leaves(tree) if tree else iter(())


def _all_leaves(raw: object) -> Iterator[Leaf]:
    """Yield the conditions of a filter and of the segments it refers to."""
    yield from _own_leaves(raw)
    for segment in load_segments([raw]).values():
        if segment.tree:
            yield from leaves(segment.tree)


def _tree_or_none(raw: object) -> Node | None:
    try:
        return read(raw)
    except FilterError:
        return None
