"""The tree behind the builder: groups and conditions with the texts of their controls.

A control is named by what it holds and by its place, a path in the tree: ``op-0.1`` is the operator
of the second part of the outermost group, ``property-0.1w0`` the first property of that condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from audiencesync.core.web import sent_numbers
from audiencesync.people.segments.nodes import MAX_NODES, MAX_WHERE

ROOT = "0"  # path of the outermost group
MAX_GROUP_LEVELS = 2  # shown by the builder; a filter may have more (nodes.MAX_DEPTH)
# The controls of a condition, in the order of the sentence that they form.
CONTROLS = ("kind", "field", "event", "op", "value", "n", "day", "days", "segment", "audience")
GROUP_CONTROL = "match"
PROPERTY_CONTROLS = ("property", "compare", "amount")
# Kind of condition -> the control that names its event, segment or audience. The control of all
# other kinds is "field".
SUBJECT_CONTROL = {
    "event": "event",
    "purchase": "event",
    "segment": "segment",
    "audience": "audience",
}
_CONTROL_NAME = re.compile(
    r"(?P<name>[a-z]+)-(?P<path>0(?:\.[0-9]{1,3})*)(?:w(?P<where>[0-9]))?", re.ASCII
)
Texts = dict[str, str]


@dataclass
class Draft:
    """A group (with ``parts``) or a condition (without).

    ``texts``: name of a control -> its text. ``where``: the same for each property of an event.
    """

    texts: Texts = field(default_factory=dict)
    parts: list[Draft] | None = None
    where: list[Texts] = field(default_factory=list)
    path: str = ROOT

    @property
    def kind(self) -> str:
        """Return the kind of a condition."""
        return self.texts.get("kind", "attribute")

    @property
    def is_blank(self) -> bool:
        """Return whether nothing has been typed in a new condition."""
        return self.kind == "attribute" and not any(
            self.texts.get(name) for name in ("field", "value")
        )


def new_tree() -> Draft:
    """Return the tree of a new segment: one empty condition."""
    return set_paths(group("all", [Draft({"kind": "attribute"})]))


def group(match: str, parts: list[Draft]) -> Draft:
    return Draft({GROUP_CONTROL: match}, parts)


def from_data(data: Mapping[str, object]) -> Draft:
    """Return the tree that a form sent; parts of a missing group are left out."""
    by_path: dict[str, Draft] = {}
    for key, value in data.items():
        parsed = _CONTROL_NAME.fullmatch(key)
        if parsed and not parsed["where"] and parsed["name"] in (*CONTROLS, GROUP_CONTROL):
            by_path.setdefault(parsed["path"], Draft()).texts[parsed["name"]] = str(value)
        elif parsed and parsed["where"] and parsed["name"] in PROPERTY_CONTROLS:
            condition, i = by_path.setdefault(parsed["path"], Draft()), int(parsed["where"])
            # Keep one property more than is allowed, so that `reader` reports it as an error.
            condition.where += [{} for _i in range(min(i, MAX_WHERE) + 1 - len(condition.where))]
            condition.where[min(i, MAX_WHERE)][parsed["name"]] = str(value)
    for draft in by_path.values():
        if GROUP_CONTROL in draft.texts:
            draft.parts = []
        elif SUBJECT_CONTROL.get(draft.kind, "field") not in draft.texts and draft.kind != "import":
            # The user has changed the kind, so the operator is one of the former kind: the page had
            # no controls of the new kind yet. The kind "import" never has this control.
            draft.texts.pop("op", None)
    root = by_path.get(ROOT)
    if root is None or root.parts is None:
        root = group("", [])
    # Keep one part more than is allowed, for the same reason.
    for path in sorted(by_path.keys() - {ROOT}, key=_indexes)[: MAX_NODES + 1]:
        parent = by_path.get(path.rpartition(".")[0])
        if parent and parent.parts is not None and path.count(".") <= MAX_GROUP_LEVELS:
            parent.parts.append(by_path[path])
    return set_paths(root)


def _indexes(path: str) -> list[int]:
    return [int(part) for part in path.split(".")]


def set_paths(draft: Draft, path: str = ROOT) -> Draft:
    """Set the path of a draft and of all parts below it, and return it."""
    draft.path = path
    for i, part in enumerate(draft.parts or []):
        set_paths(part, f"{path}.{i}")
    return draft


def walk(draft: Draft) -> Iterator[Draft]:
    """Yield a draft and all below it."""
    yield draft
    for part in draft.parts or []:
        yield from walk(part)


def data(root: Draft) -> Texts:
    """Return the names and texts of all controls."""
    texts: Texts = {}
    for draft in walk(root):
        texts |= {f"{name}-{draft.path}": text for name, text in draft.texts.items()}
        for i, part in enumerate(draft.where):
            texts |= {f"{name}-{draft.path}w{i}": text for name, text in part.items()}
    return texts


def apply_action(root: Draft, params: Mapping[str, str]) -> str:
    """Apply the button that was pressed; return the name of the control that gets the focus."""
    for name, action in ACTIONS.items():
        if name in params:
            path = params[name]
            by_path = {draft.path: draft for draft in walk(root)}
            focus = action(root, by_path, path)
            set_paths(root)
            return focus
    return ""


def _add(root: Draft, by_path: Mapping[str, Draft], path: str) -> str:
    group = by_path.get(path)
    if group is None or group.parts is None:
        return ""
    group.parts.append(Draft({"kind": "attribute"}))
    return f"kind-{path}.{len(group.parts) - 1}"


def _add_group(root: Draft, by_path: Mapping[str, Draft], path: str) -> str:
    parent = by_path.get(path)
    if parent is None or parent.parts is None or path.count(".") + 2 > MAX_GROUP_LEVELS:
        return ""
    parent.parts.append(group("any", [Draft({"kind": "attribute"})]))
    return f"kind-{path}.{len(parent.parts) - 1}.0"


def _add_property(root: Draft, by_path: Mapping[str, Draft], path: str) -> str:
    condition = by_path.get(path)
    if condition is None or condition.parts is not None or len(condition.where) >= MAX_WHERE:
        return ""
    condition.where.append({"property": ""})
    return f"property-{path}w{len(condition.where) - 1}"


def _copy(root: Draft, by_path: Mapping[str, Draft], path: str) -> str:
    parent, i = _parent(by_path, path)
    if parent is None or parent.parts is None:
        return ""
    parent.parts.insert(i + 1, deepcopy(parent.parts[i]))
    return _first_control(parent, i + 1)


def _remove(root: Draft, by_path: Mapping[str, Draft], value: str) -> str:
    """Remove the part of a path such as 0.1, or the property of one such as 0.1w0.

    The focus moves to the part that takes its place, or to the condition of the property.
    """
    path, _w, where = value.partition("w")
    if where:
        condition = by_path.get(path)
        index = sent_numbers.whole(where)
        if condition is not None and index is not None and index < len(condition.where):
            del condition.where[index]
        return f"kind-{path}"
    parent, i = _parent(by_path, path)
    if parent is None or parent.parts is None:
        return ""
    del parent.parts[i]
    return _first_control(parent, min(i, len(parent.parts) - 1))


def _parent(by_path: Mapping[str, Draft], path: str) -> tuple[Draft | None, int]:
    """Return the group that a part stands in, and its index there."""
    parent_path, _dot, index = path.rpartition(".")
    return (by_path.get(parent_path), int(index)) if path in by_path and parent_path else (None, 0)


def _first_control(parent: Draft, i: int) -> str:
    """Return the name of the first control of a part; of its group if there is none."""
    if not parent.parts or i < 0:
        return f"{GROUP_CONTROL}-{parent.path}"
    name = "kind" if parent.parts[i].parts is None else GROUP_CONTROL
    return f"{name}-{parent.path}.{i}"


ACTIONS = {
    "add": _add,
    "add_group": _add_group,
    "add_property": _add_property,
    "copy": _copy,
    "remove": _remove,
}
