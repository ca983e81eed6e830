"""A browser without JavaScript: follows links by their text, fills forms by their labels."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin

import requests
from lxml import html
from lxml.html import FormElement, HtmlElement

TIMEOUT = 60
HIDDEN = (
    "//title | //script | //style | //template | //dialog | //svg | //*[@hidden]"
    " | //*[contains(concat(' ', normalize-space(@class), ' '), ' js-only ')]"
)
IN_DISABLED_FIELDSET = "//fieldset[@disabled]//*[self::input or self::select or self::textarea]"
WITHOUT_VALUE = "//input[not(@value) and not(@type = 'checkbox' or @type = 'radio')]"
INLINE = ("a", "bdi", "em", "span", "strong")
FIELDS = ".//input | .//select | .//textarea"


class NotOnPage(AssertionError):
    """A link, field, button or text is missing; the message names it and quotes the page."""


def parse(content: bytes, url: str) -> HtmlElement:
    """Return the page as a browser without JavaScript shows it, with absolute addresses."""
    page = html.document_fromstring(
        content or b"<html>", parser=html.HTMLParser(encoding="utf-8"), base_url=url
    )
    for element in page.xpath(HIDDEN):
        element.drop_tree()
    for field in page.xpath(IN_DISABLED_FIELDSET):
        field.set("disabled", "")
    for field in page.xpath(WITHOUT_VALUE):
        field.set("value", "")  # lxml leaves out a field without a value, a browser sends it
    for area in page.xpath("//textarea[not(*)]"):
        area.text = (area.text or "").removeprefix("\n")  # HTML ignores a first line break
    for element in page.iterdescendants("*"):
        if element.tag not in INLINE:  # blocks and cells are shown apart, even without a space
            element.tail = f" {element.tail or ''}"
    page.make_links_absolute(handle_failures="ignore")
    return page


def text_of(element: HtmlElement) -> str:
    """Return all text of an element with single spaces."""
    return " ".join(element.text_content().split())


@dataclass
class Form:
    """One form of a page and the values in its fields."""

    page: Page
    element: FormElement

    def fill(self, label: str, text: str) -> Form:
        """Type into the field with this label."""
        self._field(label).value = text
        return self

    def choose(self, label: str, option: str) -> Form:
        """Choose the option whose text begins with ``option``."""
        select = self._field(label)
        elements = select.xpath(".//option")
        for element in elements:
            if text_of(element).startswith(option) and element.get("disabled") is None:
                select.value = element.get("value")
                return self
        texts = [text_of(element) for element in elements]
        raise NotOnPage(f"“{label}” offers no “{option}”, but: {texts}")

    def tick(self, label: str) -> Form:
        """Tick the box, or select the radio button, whose label begins with ``label``."""
        box = self._field(label)
        if box.type == "radio":
            self.element.inputs[box.name].value = box.get("value")
        else:
            box.checked = True
        return self

    def press(self, text: str) -> Page:
        """Submit the form by one of its buttons."""
        buttons = self.element.xpath(".//button[not(@type) or @type = 'submit']")
        for button in buttons:
            if text_of(button) == text:
                return self._submit(button)
        raise NotOnPage(
            f"No button “{text}” in the form, but: {[text_of(button) for button in buttons]}"
        )

    def _submit(self, button: HtmlElement) -> Page:
        values = self.element.form_values()
        if button.get("name"):
            values.append((button.get("name"), button.get("value") or ""))
        url = button.get("formaction") or self.element.action or self.page.url
        return self.page.browser.open(url, self.element.method, values)

    def _field(self, label_text: str) -> HtmlElement:
        labels = self.element.xpath(".//label")
        for label in labels:
            if _normalised(text_of(label)).startswith(_normalised(label_text)):
                field = _labelled_by(label)
                if field is not None and field.get("disabled") is None:
                    return field
        raise NotOnPage(
            f"No field “{label_text}” in the form, but: {[text_of(label) for label in labels]}"
        )


@dataclass
class Page:
    """An answer of the server."""

    browser: Browser
    url: str
    status: int
    root: HtmlElement

    @property
    def text(self) -> str:
        """All visible text."""
        return text_of(self.root)

    def form(self, button: str) -> Form:
        """Return the form with this button. Raises NotOnPage."""
        for form in self.root.forms:
            if any(text_of(element) == button for element in form.xpath(".//button")):
                return Form(self, form)
        raise self.missing(f"a form with the button “{button}”")

    def press(self, button: str) -> Page:
        """Submit the form that has this button, without changing its fields."""
        return self.form(button).press(button)

    def follow(self, text: str) -> Page:
        """Follow the link with this text."""
        return self.browser.open(self.address_of(text))

    def address_of(self, text: str) -> str:
        """Return the address of the link with this text, else of the first that begins with it."""
        links = [link for link in self.root.xpath("//a[@href]") if text_of(link).startswith(text)]
        if not links:
            raise self.missing(f"a link “{text}”")
        exact = (link for link in links if text_of(link) == text)
        address: str = next(exact, links[0]).get("href")
        return address

    def expect(self, text: str) -> Page:
        """Return the page. Raises NotOnPage unless it holds this text."""
        if text not in self.text:
            raise self.missing(f"the words “{text}”")
        return self

    def missing(self, what: str) -> NotOnPage:
        """Return an error that says what the page lacks and quotes it."""
        alerts = " ".join(map(text_of, self.root.find_class("alert")))
        main = self.root.get_element_by_id("main", self.root)
        return NotOnPage(
            f"{self.url} ({self.status}) lacks {what}. It says: {alerts} … {text_of(main)[:600]}"
        )


class Browser:
    """One session with its cookies."""

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False  # our own machine: no proxy, no .netrc
        self.session.headers["Accept-Language"] = "en"

    def open(
        self, url: str, method: str = "GET", values: list[tuple[str, str]] | None = None
    ) -> Page:
        """Open an address, following redirects. Raises NotOnPage for a status of 400 or above."""
        if method == "GET":
            answer = self.session.get(url, params=values, timeout=TIMEOUT)
        else:
            answer = self.session.post(url, data=values, timeout=TIMEOUT)
        url = urljoin(url, answer.url)
        page = Page(self, url, answer.status_code, parse(answer.content, url))
        if answer.status_code >= 400:
            raise page.missing("a status below 400")
        return page

    def download(self, url: str) -> str:
        """Return the text of a file."""
        answer = self.session.get(url, timeout=TIMEOUT)
        answer.raise_for_status()
        answer.encoding = "utf-8-sig"
        return answer.text


def _labelled_by(label: HtmlElement) -> HtmlElement | None:
    if label.get("for"):
        return label.getroottree().getroot().get_element_by_id(label.get("for"), None)
    return next(iter(label.xpath(FIELDS)), None)


def _normalised(text: str) -> str:
    # "Email" and "E-mail" are the same label
    return text.casefold().replace("-", "")
