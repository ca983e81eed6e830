"""Reads a page as a person without JavaScript does: elements, their text, links, forms with labels and buttons."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    ]
)
CLOSES_SAME = frozenset(("li", "option", "tr", "td", "th", "dt", "dd", "p"))
UNSEEN = frozenset(("script", "style", "template", "head", "dialog", "svg"))


class Element:
    """One element; its children are elements and texts."""

    def __init__(self, tag: str, attrs: dict[str, str], parent: Element | None) -> None:
        self.tag, self.attrs, self.parent = tag, attrs, parent
        self.children: list[Element | str] = []

    def get(self, name: str) -> str:
        """An attribute; empty if it is not there."""
        return self.attrs.get(name, "")

    def has_class(self, name: str) -> bool:
        """Whether ``name`` is among its classes."""
        return name in self.get("class").split()

    @property
    def is_seen(self) -> bool:
        """Whether a browser without JavaScript shows it."""
        return (
            self.tag not in UNSEEN and not self.has_class("js-only") and "hidden" not in self.attrs
        )

    def all(self, *tags: str, **attrs: str) -> Iterator[Element]:
        """Shown elements below this one with one of ``tags``, in the order of the page; ``data_x`` means data-x."""
        for child in self.children:
            if isinstance(child, Element) and child.is_seen:
                wanted = all(
                    child.get(name.replace("_", "-")) == value for name, value in attrs.items()
                )
                if (not tags or child.tag in tags) and wanted:
                    yield child
                yield from child.all(*tags, **attrs)

    def first(self, *tags: str, **attrs: str) -> Element | None:
        """The first of them."""
        return next(self.all(*tags, **attrs), None)

    def by_id(self, value: str) -> Element | None:
        """The element with this id."""
        return self.first(id=value)

    @property
    def text(self) -> str:
        """What one reads, with single spaces."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.is_seen:
                yield from child._texts()
                if child.tag not in ("bdi", "strong", "em", "a", "span"):
                    yield " "

    def ancestors(self) -> Iterator[Element]:
        """Upwards."""
        found = self.parent
        while found is not None:
            yield found
            found = found.parent


class _Builder(HTMLParser):
    """Builds the tree; forgiving about ends that HTML lets one leave out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.open = Element("#root", {}, None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in CLOSES_SAME and self.open.tag == tag and self.open.parent is not None:
            self.open = self.open.parent
        element = Element(tag, {name: value or "" for name, value in attrs}, self.open)
        self.open.children.append(element)
        if tag not in VOID:
            self.open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.children.append(
            Element(tag, {name: value or "" for name, value in attrs}, self.open)
        )

    def handle_endtag(self, tag: str) -> None:
        opened = [self.open, *self.open.ancestors()]
        match = next((element for element in opened if element.tag == tag), None)
        if match is not None and match.parent is not None:
            self.open = match.parent

    def handle_data(self, data: str) -> None:
        self.open.children.append(data)


def parse(html: str) -> Element:
    """The tree of a page."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    return builder.root
