"""Segments that refer to segments: load them, refuse cycles, find who refers to one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Segment
from audiencesync.people.segments import audiences
from audiencesync.people.segments.nodes import (
    MAX_CHAIN,
    AudienceCondition,
    FilterError,
    Group,
    Node,
    SegmentCondition,
    leaves,
)
from audiencesync.people.segments.reader import read

Graph = dict[str, set[str]]
MAX_INLINED = 500  # conditions of all segments that one filter refers to


@dataclass(frozen=True, slots=True)
class ReferencedSegment:
    """A segment that filters refer to, with its tree; None if its filter cannot be read."""

    name: str
    app_group_id: int
    tree: Node | None


def segments_named(node: Node) -> set[str]:
    """Return the api_ids of the segments that a tree refers to itself."""
    return {leaf.segment for leaf in leaves(node) if isinstance(leaf, SegmentCondition)}


def load(trees: Iterable[Node]) -> dict[str, ReferencedSegment]:
    """Return the segments that trees refer to, directly and through others: one query a level."""
    loaded: dict[str, ReferencedSegment] = {}
    missing = set().union(*map(segments_named, trees))
    for _level in range(MAX_CHAIN):
        if not missing:
            break
        rows = Segment.objects.filter(api_id__in=map(UUID, missing)).values_list(
            "api_id", "name", "app_group_id", "filter"
        )
        new = {
            str(api_id): ReferencedSegment(name, group, _tree(raw))
            for api_id, name, group, raw in rows
        }
        loaded |= new
        missing = (
            set().union(*(segments_named(segment.tree) for segment in new.values() if segment.tree))
            - loaded.keys()
        )
    return loaded


def _tree(raw: Any) -> Node | None:
    try:
        return read(raw)
    except FilterError:
        return None


def check(raw: object, app_group: AppGroup, *, segment: Segment | None = None) -> None:
    """Raise FilterError unless a group may save this filter, for ``segment`` or elsewhere.

    The caller holds the lock of the group, so that two segments saved at once form no cycle.
    """
    tree = read(raw)
    _check_audiences(tree, app_group)
    direct = segments_named(tree)
    if not direct:
        return
    graph = _graph(app_group)
    for path, leaf in leaves_with_paths(tree):
        if isinstance(leaf, SegmentCondition) and leaf.segment not in graph:
            raise FilterError(f"{path}segment", _("There is no such segment in this app group."))
    own_id = str(segment.api_id) if segment else ""
    graph[own_id] = direct
    for path, leaf in leaves_with_paths(tree):
        if isinstance(leaf, SegmentCondition) and own_id in _reachable(leaf.segment, graph):
            message = _("This segment refers back to the segment that is being saved.")
            raise FilterError(f"{path}segment", message)
    if _depth_below(own_id, graph) + _depth_above(own_id, graph) > MAX_CHAIN:
        raise FilterError(
            "", _("More than %(n)d segments refer to one another in a row.") % {"n": MAX_CHAIN}
        )
    check_size(tree, load([tree]))


def _check_audiences(tree: Node, app_group: AppGroup) -> None:
    names: Mapping[int, str] | None = None
    for path, leaf in leaves_with_paths(tree):
        if isinstance(leaf, AudienceCondition):
            names = audiences.names(app_group) if names is None else names
            if leaf.audience not in names:
                message = _("There is no such audience in this app group.")
                raise FilterError(f"{path}audience", message)


def leaves_with_paths(node: Node, path: str = "") -> Iterable[tuple[str, Node]]:
    """Yield (path, condition) of a tree; paths are prefixes for FilterError, such as "all[2]."."""
    if not isinstance(node, Group):
        yield f"{path}." if path else "", node
        return
    start = f"{path}." if path else ""
    for i, part in enumerate(node.parts):
        yield from leaves_with_paths(part, f"{start}{node.match}[{i}]")


def check_size(tree: Node, segments: Mapping[str, ReferencedSegment], depth: int = 0) -> int:
    """Return the number of conditions with all inlined segments. Raise FilterError."""
    if depth > MAX_CHAIN:
        raise FilterError("", _("These segments refer to one another in a circle."))
    n_leaves = 0
    for leaf in leaves(tree):
        n_leaves += 1
        if isinstance(leaf, SegmentCondition):
            segment = segments.get(leaf.segment)
            n_leaves += (
                check_size(segment.tree, segments, depth + 1) if segment and segment.tree else 0
            )
        if n_leaves > MAX_INLINED:
            raise FilterError(
                "",
                _("With the segments it refers to, it has more than %(n)d conditions.")
                % {"n": MAX_INLINED},
            )
    return n_leaves


def direct_users(segment: Segment) -> list[Segment]:
    """Return the segments of the group that refer to this one."""
    rows = Segment.objects.filter(app_group=segment.app_group_id).exclude(pk=segment.pk)
    own_id = str(segment.api_id)
    return [row for row in rows.order_by("name", "pk") if own_id in _segments_named_in(row.filter)]


def all_users(segment: Segment) -> list[Segment]:
    """Return the segments that refer to this one, directly or through others, nearest first."""
    rows = Segment.objects.filter(app_group=segment.app_group_id).order_by("name", "pk")
    references = {row: _segments_named_in(row.filter) for row in rows.exclude(pk=segment.pk)}
    users: list[Segment] = []
    frontier = {str(segment.api_id)}
    while frontier:
        new_users = [
            row for row, names in references.items() if names & frontier and row not in users
        ]
        users += new_users
        frontier = {str(row.api_id) for row in new_users}
    return users


def _segments_named_in(raw: Any) -> set[str]:
    tree = _tree(raw)
    return segments_named(tree) if tree else set()


def _graph(app_group: AppGroup) -> Graph:
    """Return api_id -> the segments its filter refers to, of all segments of a group."""
    rows = Segment.objects.filter(app_group=app_group).values_list("api_id", "filter")
    return {str(api_id): _segments_named_in(raw) for api_id, raw in rows}


def _reachable(start: str, graph: Graph) -> set[str]:
    reachable, pending = {start}, [start]
    while pending:
        new_ids = graph.get(pending.pop(), set()) - reachable
        reachable |= new_ids
        pending += new_ids
    return reachable


def _depth_below(start: str, graph: Graph) -> int:
    """Return the length of the longest chain of segments that ``start`` refers to.

    The graph has no cycle.
    """
    return max((1 + _depth_below(other, graph) for other in graph.get(start, ())), default=0)


def _depth_above(start: str, graph: Graph) -> int:
    """Return the length of the longest chain of segments that refers to ``start``.

    It is 0 for "", a filter that belongs to no segment.
    """
    parents = [
        parent for parent, children in graph.items() if start in children and parent != start
    ]
    return max((1 + _depth_above(parent, graph) for parent in parents), default=0) if start else 0
