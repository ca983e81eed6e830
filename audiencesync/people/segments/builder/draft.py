"""The tree behind the builder: groups and conditions with the texts of their controls.

A control is named by what it holds and by its place: ``op-0.1`` is the operator of the second part
of the outermost group, ``property-0.1w0`` the first property of that condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from audiencesync.core.web import sent_numbers
from audiencesync.people.segments.nodes import MAX_NODES, MAX_WHERE

ROOT, DEEPEST = "0", 2
# In the order of the sentence that they form.
CONTROLS = ("kind", "field", "event", "op", "value", "n", "day", "days", "segment", "audience")
OF_PROPERTY = ("property", "compare", "amount")
# What a condition of each kind compares.
COMPARED = {"event": "event", "purchase": "event", "segment": "segment", "audience": "audience"}
_PLACE = re.compile(
    r"(?P<name>[a-z]+)-(?P<path>0(?:\.[0-9]{1,3})*)(?:w(?P<where>[0-9]))?", re.ASCII
)
Texts = dict[str, str]


@dataclass
class Draft:
    """A group (with ``parts``) or a condition (without). ``where``: its properties."""

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
        """Whether nothing has been typed in a new condition."""
        return self.kind == "attribute" and not any(
            self.texts.get(name) for name in ("field", "value")
        )


def fresh() -> Draft:
    """Return the tree of a new segment: one empty condition."""
    return numbered(group("all", [Draft({"kind": "attribute"})]))


def group(match: str, parts: list[Draft]) -> Draft:
    return Draft({"match": match}, parts)


def from_data(data: Mapping[str, object]) -> Draft:
    """Return the tree that a form sent; what has no place in a tree is left out."""
    found: dict[str, Draft] = {}
    for key, value in data.items():
        place = _PLACE.fullmatch(key)
        if place and (place["name"] in CONTROLS or place["name"] == "match") and not place["where"]:
            found.setdefault(place["path"], Draft()).texts[place["name"]] = str(value)
        elif place and place["where"] and place["name"] in OF_PROPERTY:
            one, i = found.setdefault(place["path"], Draft()), int(place["where"])
            one.where += [{} for _i in range(min(i, MAX_WHERE) + 1 - len(one.where))]
            one.where[min(i, MAX_WHERE)][place["name"]] = str(value)
    for draft in found.values():
        if "match" in draft.texts:
            draft.parts = []
        elif COMPARED.get(draft.kind, "field") not in draft.texts and draft.kind != "import":
            draft.texts.pop("op", None)  # of the kind that was chosen before
    root = found.get(ROOT)
    if root is None or root.parts is None:
        root = group("", [])
    for path in sorted(found.keys() - {ROOT}, key=_numbers)[: MAX_NODES + 1]:
        parent = found.get(path.rpartition(".")[0])
        if parent and parent.parts is not None and path.count(".") <= DEEPEST:
            parent.parts.append(found[path])
    return numbered(root)


def _numbers(path: str) -> list[int]:
    return [int(part) for part in path.split(".")]


def numbered(draft: Draft, path: str = ROOT) -> Draft:
    """Give every part its place."""
    draft.path = path
    for i, part in enumerate(draft.parts or []):
        numbered(part, f"{path}.{i}")
    return draft


def walk(draft: Draft) -> Iterator[Draft]:
    """Yield a draft and all below it."""
    yield draft
    for part in draft.parts or []:
        yield from walk(part)


def data(root: Draft) -> Texts:
    """Return the names and texts of all controls."""
    found: Texts = {}
    for draft in walk(root):
        found |= {f"{name}-{draft.path}": text for name, text in draft.texts.items()}
        for i, part in enumerate(draft.where):
            found |= {f"{name}-{draft.path}w{i}": text for name, text in part.items()}
    return found


def act(root: Draft, asked: Mapping[str, str]) -> str:
    """Apply the button that was pressed; return the name of the control that gets the focus."""
    for name, apply in ACTS.items():
        if name in asked:
            place = asked[name]
            found = {draft.path: draft for draft in walk(root)}
            focus = apply(root, found, place)
            numbered(root)
            return focus
    return ""


def _add(root: Draft, found: Mapping[str, Draft], place: str) -> str:
    target = found.get(place)
    if target is None or target.parts is None:
        return ""
    target.parts.append(Draft({"kind": "attribute"}))
    return f"kind-{place}.{len(target.parts) - 1}"


def _add_group(root: Draft, found: Mapping[str, Draft], place: str) -> str:
    target = found.get(place)
    if target is None or target.parts is None or place.count(".") + 2 > DEEPEST:
        return ""
    target.parts.append(group("any", [Draft({"kind": "attribute"})]))
    return f"kind-{place}.{len(target.parts) - 1}.0"


def _add_property(root: Draft, found: Mapping[str, Draft], place: str) -> str:
    target = found.get(place)
    if target is None or target.parts is not None or len(target.where) >= MAX_WHERE:
        return ""
    target.where.append({"property": ""})
    return f"property-{place}w{len(target.where) - 1}"


def _copy(root: Draft, found: Mapping[str, Draft], place: str) -> str:
    parent, i = _parent(found, place)
    if parent is None or parent.parts is None:
        return ""
    parent.parts.insert(i + 1, deepcopy(parent.parts[i]))
    return _first(parent, i + 1)


def _remove(root: Draft, found: Mapping[str, Draft], place: str) -> str:
    """Remove a part, or a property; the focus goes to the next one."""
    path, _w, where = place.partition("w")
    if where:
        one = found.get(path)
        number = sent_numbers.whole(where)
        if one is not None and number is not None and number < len(one.where):
            del one.where[number]
        return f"kind-{path}"
    parent, i = _parent(found, path)
    if parent is None or parent.parts is None:
        return ""
    del parent.parts[i]
    return _first(parent, min(i, len(parent.parts) - 1))


def _parent(found: Mapping[str, Draft], place: str) -> tuple[Draft | None, int]:
    """Return the group that a part stands in, and its index there."""
    above, _dot, last = place.rpartition(".")
    return (found.get(above), int(last)) if place in found and above else (None, 0)


def _first(parent: Draft, i: int) -> str:
    """Return the first control of a part."""
    if not parent.parts or i < 0:
        return f"match-{parent.path}"
    name = "kind" if parent.parts[i].parts is None else "match"
    return f"{name}-{parent.path}.{i}"


ACTS = {
    "add": _add,
    "add_group": _add_group,
    "add_property": _add_property,
    "copy": _copy,
    "remove": _remove,
}
