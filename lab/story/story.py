"""What a marketer does, page by page and without JavaScript: sign in, connect TikTok, build a canvas, launch, watch."""

from __future__ import annotations

import csv
import io
import re
import time
from dataclasses import dataclass, field
from urllib.parse import urljoin

from lab.story.browser import Browser, NotOnPage, Page

GROUP, CANVAS, SEGMENT = "Acme", "Rehearsal", "Everybody there is"
NEW_AUDIENCE, OLD_AUDIENCE = "Rehearsal", "Newsletter readers"
AD_ACCOUNTS = ("Acme EU", "Acme UK")
FIELDS = ("E-mail", "Phone", "iOS IDFA", "Android GAID")
SIGN_IN = re.compile(r"sign in as (?P<email>\S+) with the password (?P<password>\S+)")
METRICS = ("entered", "proceeded", "synced", "not_synced", "pending", "errored", "exited")
CSV_METRICS = dict(
    zip(
        METRICS,
        (
            "Entered",
            "Proceeded to next step",
            "Users synced",
            "Users not synced",
            "Users pending",
            "Users errored",
            "Exited canvas",
        ),
        strict=True,
    )
)
LOOK_EVERY = 0.5


@dataclass
class Told:
    """What the marketer read: the metrics of each step, from its card and from the staff's table."""

    n_enter: int = 0
    cards: dict[str, dict[str, int]] = field(default_factory=dict)
    table: dict[str, dict[str, int]] = field(default_factory=dict)
    is_at_rest: bool = False


@dataclass
class Marketer:
    """One person at one browser."""

    url: str
    browser: Browser = field(default_factory=Browser)
    page: Page = field(init=False)
    told: Told = field(default_factory=Told)

    def sign_in(self, told: str) -> None:
        """With the account that the demo printed."""
        found = SIGN_IN.search(told)
        if found is None:
            raise NotOnPage(f"The demo does not tell how to sign in: {told}")
        form = self.browser.go(self.url).form("Sign in")
        self.page = (
            form.fill("E-mail", found["email"]).fill("Password", found["password"]).press("Sign in")
        )
        self.page = self.page.follow(GROUP)

    def connect(self) -> None:
        """Authorise at TikTok and choose two of the four ad accounts."""
        page = self.page.follow("Partner integrations")
        partner = self.browser.go(page.address_of("TikTok"))
        choice = partner.press("Connect TikTok").press("Confirm").form("Save")
        for name in AD_ACCOUNTS:
            choice.tick(name)
        self.page = choice.press("Save").expect(f"Connected {len(AD_ACCOUNTS)} ad accounts")

    def make_segment(self) -> None:
        """A segment that holds all people."""
        form = self.page.follow("Segments").follow("New segment").form("Save segment")
        self.page = form.fill("Name", SEGMENT).press("Save segment")

    def build(self) -> None:
        """A canvas: wait, add to a new audience, remove from an old one."""
        form = self.page.follow("Canvases").follow("New canvas").form("Create canvas")
        canvas = form.fill("Name", CANVAS).choose("Segment", SEGMENT).press("Create canvas")
        delay = (
            self._add(canvas, "Delay")
            .form("Save")
            .fill("How long", "1")
            .choose("Unit", "seconds")
            .press("Save")
        )
        self._build_add(delay.expect("Saved."))
        self._build_remove(self.page)

    def _build_add(self, page: Page) -> None:
        form = (
            self._add(page, "Audience Sync")
            .form("Create audience")
            .choose("Ad account", AD_ACCOUNTS[0])
        )
        form.fill("Choose a new or existing audience", NEW_AUDIENCE).tick("Add users")
        for name in FIELDS:
            form.tick(name)
        created = form.press("Create audience")
        created.expect(f"“{NEW_AUDIENCE}” was created as a new audience")
        self.page = created.press("Save").expect("Saved.")

    def _build_remove(self, page: Page) -> None:
        form = (
            self._add(page, "Audience Sync")
            .form("Create audience")
            .choose("Ad account", AD_ACCOUNTS[0])
        )
        form = form.press("Show the audiences of this ad account").form("Create audience")
        form.choose("Choose an existing audience", OLD_AUDIENCE).fill(
            "Choose a new or existing audience", ""
        )
        form.tick("Remove users")
        for name in FIELDS:
            form.tick(name)
        self.page = form.press("Save").expect("Saved.")

    def _add(self, page: Page, label: str) -> Page:
        """Add a component after the last one."""
        plus = [link for link in page.root.all("a") if link.get("id").startswith("add-")]
        if not plus:
            raise page.missing("a plus to add a component")
        menu = self.browser.go(urljoin(page.url, plus[-1].get("href")))
        words = (button.text for button in menu.root.all("button") if button.text.startswith(label))
        return menu.press(next(words, label))

    def launch(self) -> None:
        """Read the checklist, launch."""
        checklist = self.page.follow("Launch")
        if "Missing:" in checklist.text:
            raise checklist.missing("nothing on the checklist")
        people = re.search(
            r"([\d,.]+) (?:person enters|people enter) at the launch", checklist.text
        )
        self.told.n_enter = number(people[1]) if people else 0
        self.page = checklist.press("Launch").expect("Launched.")

    def watch(self, *, seconds: float) -> None:
        """Look at the numbers until they rest: all have entered, nobody waits, nobody is pending."""
        url, ends_at = self.page.url.partition("?")[0], time.monotonic() + seconds
        while not self.told.is_at_rest and time.monotonic() < ends_at:
            time.sleep(LOOK_EVERY)
            self.page = self.browser.go(url)
            self.told.is_at_rest = is_at_rest(rows_of(self.page), self.told.n_enter)

    def read(self) -> None:
        """The seven metrics of each step: on its card, and in the analytics of the staff."""
        for name, link in cards_of(self.page).items():
            card = self.browser.go(urljoin(self.page.url, link))
            cells = [cell for cell in card.root.all("td") if cell.get("data-metric")]
            found = {cell.get("data-metric"): number(cell.text) for cell in cells}
            self.told.cards[name] = {metric: found.get(metric, 0) for metric in METRICS}
        lines = self.browser.text(f"{self.page.address_of('Analytics')}?format=csv")
        for row in csv.DictReader(io.StringIO(lines)):
            if row["Canvas"] == CANVAS:
                counts = {metric: int(row[head] or 0) for metric, head in CSV_METRICS.items()}
                self.told.table[row["Component"]] = counts


def number(words: str) -> int:
    """A whole number as the pages write it, such as 5,000."""
    digits = re.sub(r"[^\d-]", "", words)
    return int(digits) if digits else 0


def cards_of(page: Page) -> dict[str, str]:
    """What each step does -> the address that opens it, in the order of the flow."""
    found = {}
    for card in page.root.all("a"):
        if card.get("id").startswith("card-") and card.get("id") != "card-entry":
            note = next(one for one in card.all("span") if one.has_class("step-note"))
            found[note.text] = card.get("href")
    return found


def rows_of(page: Page) -> list[dict[str, int]]:
    """The table of numbers below the flow: label -> number, a row per step."""
    rows = page.element("numbers").all("tr")
    found = [{cell.get("data-label"): number(cell.text) for cell in row.all("td")} for row in rows]
    return [row for row in found if row]  # the others hold headings


def is_at_rest(rows: list[dict[str, int]], n_enter: int) -> bool:
    """Whether everybody has come as far as they get and every answer is here."""
    if not rows:
        return False
    waits = any(row["Waiting here"] or row["Users pending"] for row in rows)
    return not waits and all(row["Entered"] >= n_enter for row in rows)
