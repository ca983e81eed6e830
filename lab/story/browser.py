"""A small browser without JavaScript: follows links by their words, fills real forms by their labels, presses buttons."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urljoin

import requests

from lab.story import html
from lab.story.html import Element

TIMEOUT = 60


class NotOnPage(AssertionError):
    """The page does not hold what somebody would look for; the text says what, and what the page says."""


@dataclass
class Form:
    """One form of a page: what is in its fields, and how to change it the way a person does."""

    page: Page
    element: Element
    values: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for control in self._controls():
            for value in _preset(control):
                self.values.setdefault(control.get("name"), []).append(value)

    def _controls(self) -> list[Element]:
        found = self.element.all("input", "select", "textarea")
        return [one for one in found if one.get("name") and not _is_disabled(one)]

    def fill(self, label: str, text: str) -> Form:
        """Type into the field with this label."""
        self.values[self._labelled(label).get("name")] = [text]
        return self

    def choose(self, label: str, option: str) -> Form:
        """Choose the option of a list whose words begin with ``option``."""
        select = self._labelled(label)
        for one in select.all("option"):
            if one.text.startswith(option) and "disabled" not in one.attrs:
                self.values[select.get("name")] = [one.get("value")]
                return self
        raise NotOnPage(
            f"“{label}” offers no “{option}”, but: {[one.text for one in select.all('option')]}"
        )

    def tick(self, label: str) -> Form:
        """Tick the box, or choose the button of a row, whose words begin with ``label``."""
        box = self._labelled(label)
        name, value = box.get("name"), box.get("value") or "on"
        others = [] if box.get("type") == "radio" else self.values.get(name, [])
        self.values[name] = [*(one for one in others if one != value), value]
        return self

    def press(self, words: str) -> Page:
        """Press a button of the form."""
        for button in self.element.all("button"):
            if button.text == words and button.get("type") in ("", "submit"):
                return self._submit(button)
        raise NotOnPage(
            f"No button “{words}” in the form, but: {[one.text for one in self.element.all('button')]}"
        )

    def _submit(self, button: Element) -> Page:
        values = dict(self.values)
        if button.get("name"):
            values[button.get("name")] = [button.get("value")]
        action = button.get("formaction") or self.element.get("action") or self.page.url
        method = self.element.get("method").upper() or "GET"
        pairs = [(name, one) for name, listed in values.items() for one in listed]
        return self.page.browser.go(urljoin(self.page.url, action), method, pairs)

    def _labelled(self, words: str) -> Element:
        for label in self.element.all("label"):
            if _plain(label.text).startswith(_plain(words)):
                control = self.element.by_id(label.get("for")) if label.get("for") else None
                control = control or label.first("input", "select", "textarea")
                if control is not None and not _is_disabled(control):
                    return control
        raise NotOnPage(
            f"No field “{words}” in the form, but: {[one.text for one in self.element.all('label')]}"
        )


@dataclass
class Page:
    """What the server answered."""

    browser: Browser
    url: str
    status: int
    root: Element

    @property
    def text(self) -> str:
        """All words on the page."""
        return self.root.text

    def form(self, button: str) -> Form:
        """The form with this button."""
        for form in self.root.all("form"):
            if any(one.text == button for one in form.all("button")):
                return Form(self, form)
        raise self.missing(f"a form with the button “{button}”")

    def press(self, button: str) -> Page:
        """Press a button whose form needs nothing more."""
        return self.form(button).press(button)

    def follow(self, words: str) -> Page:
        """Follow the link with these words."""
        return self.browser.go(self.address_of(words))

    def address_of(self, words: str) -> str:
        """Where the link leads whose words are these; else the first one that begins with them."""
        links = [
            link for link in self.root.all("a") if link.get("href") and link.text.startswith(words)
        ]
        if not links:
            raise self.missing(f"a link “{words}”")
        best = next((link for link in links if link.text == words), links[0])
        return urljoin(self.url, best.get("href"))

    def expect(self, words: str) -> Page:
        """Go on only if the page says this."""
        if words not in self.text:
            raise self.missing(f"the words “{words}”")
        return self

    def element(self, value: str) -> Element:
        """The element with this id."""
        found = self.root.by_id(value)
        if found is None:
            raise self.missing(f"the part “{value}”")
        return found

    def missing(self, what: str) -> NotOnPage:
        """The error that tells what was looked for."""
        main = self.root.by_id("main") or self.root
        alerts = " ".join(one.text for one in self.root.all("div") if one.has_class("alert"))
        return NotOnPage(
            f"{self.url} ({self.status}) lacks {what}. It says: {alerts} … {main.text[:600]}"
        )


class Browser:
    """Keeps cookies; every address must answer with a page."""

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False  # our own machine: no proxy, no .netrc
        self.session.headers["Accept-Language"] = "en"
        self.n_pages = 0

    def go(
        self, url: str, method: str = "GET", values: list[tuple[str, str]] | None = None
    ) -> Page:
        """Open an address, follow redirects. Raises NotOnPage for a server error or a refusal to show the page."""
        sent = {"params": values} if method == "GET" else {"data": values}
        answer = self.session.request(method, url, timeout=TIMEOUT, **sent)  # type: ignore[arg-type]  # pairs of texts either way
        self.n_pages += 1
        page = Page(self, answer.url, answer.status_code, html.parse(answer.text))
        if answer.status_code >= 400:
            raise page.missing("a good answer")
        return page

    def text(self, url: str) -> str:
        """What a file for downloading holds."""
        answer = self.session.get(url, timeout=TIMEOUT)
        answer.raise_for_status()
        answer.encoding = "utf-8-sig"
        return answer.text


def _plain(words: str) -> str:
    """People find "E-mail" where "Email" is written."""
    return words.casefold().replace("-", "")


def _preset(control: Element) -> list[str]:
    """What a control sends before anybody touches it."""
    if control.tag == "textarea":
        return [
            "".join(child for child in control.children if isinstance(child, str)).removeprefix(
                "\n"
            )
        ]
    if control.tag == "select":
        options = list(control.all("option"))
        chosen = [one for one in options if "selected" in one.attrs] or options[:1]
        return [one.get("value") for one in chosen]
    if control.get("type") in ("checkbox", "radio"):
        return [control.get("value") or "on"] if "checked" in control.attrs else []
    return [] if control.get("type") in ("submit", "button", "file") else [control.get("value")]


def _is_disabled(control: Element) -> bool:
    around = (one for one in control.ancestors() if one.tag == "fieldset")
    return "disabled" in control.attrs or any("disabled" in one.attrs for one in around)
