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
class Known:
    """A segment that filters refer to, with its tree; None if its filter cannot be read."""

    name: str
    app_group_id: int
    tree: Node | None


def named(node: Node) -> set[str]:
    """Return the api_ids of the segments that a tree refers to itself."""
    return {leaf.segment for leaf in leaves(node) if isinstance(leaf, SegmentCondition)}


def load(trees: Iterable[Node]) -> dict[str, Known]:
    """Return the segments that trees refer to, directly and through others: one query a level."""
    found: dict[str, Known] = {}
    wanted = set().union(*map(named, trees))
    for _level in range(MAX_CHAIN):
        if not wanted:
            break
        rows = Segment.objects.filter(api_id__in=map(UUID, wanted)).values_list(
            "api_id", "name", "app_group_id", "filter"
        )
        new = {str(api_id): Known(name, group, _tree(raw)) for api_id, name, group, raw in rows}
        found |= new
        wanted = set().union(*(named(one.tree) for one in new.values() if one.tree)) - found.keys()
    return found


def _tree(raw: Any) -> Node | None:
    try:
        return read(raw)
    except FilterError:
        return None


def check(raw: object, app_group: AppGroup, *, segment: Segment | None = None) -> None:
    """Raise FilterError unless a group may save this filter, for ``segment`` or elsewhere.

    The caller holds the lock of the group, so that two saved at a time make no cycle.
    """
    tree = read(raw)
    _check_audiences(tree, app_group)
    wanted = named(tree)
    if not wanted:
        return
    graph = _graph(app_group)
    for path, leaf in places(tree):
        if isinstance(leaf, SegmentCondition) and leaf.segment not in graph:
            raise FilterError(f"{path}segment", _("There is no such segment in this app group."))
    own = str(segment.api_id) if segment else ""
    graph[own] = wanted
    for path, leaf in places(tree):
        if isinstance(leaf, SegmentCondition) and own in _reached(leaf.segment, graph):
            words = _("This segment refers back to the segment that is being saved.")
            raise FilterError(f"{path}segment", words)
    if _below(own, graph) + _above(own, graph) > MAX_CHAIN:
        raise FilterError(
            "", _("More than %(n)d segments refer to one another in a row.") % {"n": MAX_CHAIN}
        )
    size(tree, load([tree]))


def _check_audiences(tree: Node, app_group: AppGroup) -> None:
    mine: Mapping[int, str] | None = None
    for path, leaf in places(tree):
        if isinstance(leaf, AudienceCondition):
            mine = audiences.names(app_group) if mine is None else mine
            if leaf.audience not in mine:
                words = _("There is no such audience in this app group.")
                raise FilterError(f"{path}audience", words)


def places(node: Node, path: str = "") -> Iterable[tuple[str, Node]]:
    """Yield the conditions of a tree with the beginnings of the paths of their parts."""
    if not isinstance(node, Group):
        yield f"{path}." if path else "", node
        return
    start = f"{path}." if path else ""
    for i, part in enumerate(node.parts):
        yield from places(part, f"{start}{node.match}[{i}]")


def size(tree: Node, known: Mapping[str, Known], depth: int = 0) -> int:
    """Return the number of conditions with all inlined segments. Raise FilterError."""
    if depth > MAX_CHAIN:
        raise FilterError("", _("These segments refer to one another in a circle."))
    n = 0
    for leaf in leaves(tree):
        n += 1
        if isinstance(leaf, SegmentCondition):
            other = known.get(leaf.segment)
            n += size(other.tree, known, depth + 1) if other and other.tree else 0
        if n > MAX_INLINED:
            raise FilterError(
                "",
                _("With the segments it refers to, it has more than %(n)d conditions.")
                % {"n": MAX_INLINED},
            )
    return n


def users(segment: Segment) -> list[Segment]:
    """Return the segments of the group that refer to this one."""
    rows = Segment.objects.filter(app_group=segment.app_group_id).exclude(pk=segment.pk)
    own = str(segment.api_id)
    return [row for row in rows.order_by("name", "pk") if own in _named_in(row.filter)]


def above(segment: Segment) -> list[Segment]:
    """Return the segments that refer to this one, directly or through others, nearest first."""
    rows = Segment.objects.filter(app_group=segment.app_group_id).order_by("name", "pk")
    named_by = {row: _named_in(row.filter) for row in rows.exclude(pk=segment.pk)}
    found: list[Segment] = []
    newest = {str(segment.api_id)}
    while newest:
        users_of = [row for row, names in named_by.items() if names & newest and row not in found]
        found += users_of
        newest = {str(row.api_id) for row in users_of}
    return found


def _named_in(raw: Any) -> set[str]:
    tree = _tree(raw)
    return named(tree) if tree else set()


def _graph(app_group: AppGroup) -> Graph:
    """Return api_id -> the segments its filter refers to, of all segments of a group."""
    rows = Segment.objects.filter(app_group=app_group).values_list("api_id", "filter")
    return {str(api_id): _named_in(raw) for api_id, raw in rows}


def _reached(start: str, graph: Graph) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        new = graph.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def _below(start: str, graph: Graph) -> int:
    """Return how many segments follow one another from here down; there is no cycle."""
    return max((1 + _below(other, graph) for other in graph.get(start, ())), default=0)


def _above(start: str, graph: Graph) -> int:
    over = [other for other, below in graph.items() if start in below and other != start]
    return max((1 + _above(other, graph) for other in over), default=0) if start else 0
