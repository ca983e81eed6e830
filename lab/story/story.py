"""A marketer's way through the pages: sign in, connect TikTok, build a canvas, launch, watch."""

from __future__ import annotations

import csv
import io
import re
import time
from dataclasses import dataclass, field

from lab.story.browser import Browser, Form, NotOnPage, Page, text_of

GROUP, CANVAS, SEGMENT = "Acme", "Rehearsal", "Everybody there is"
NEW_AUDIENCE, OLD_AUDIENCE = "Rehearsal", "Newsletter readers"
AD_ACCOUNTS = ("Acme EU", "Acme UK")
IDENTIFIERS = ("E-mail", "Phone", "iOS IDFA", "Android GAID")
SIGN_IN = re.compile(r"sign in as (?P<email>\S+) with the password (?P<password>\S+)")
ENTERING = re.compile(r"([\d,.]+) (?:person enters|people enter) at the launch")
CSV_METRICS = {
    "entered": "Entered",
    "proceeded": "Proceeded to next step",
    "synced": "Users synced",
    "not_synced": "Users not synced",
    "pending": "Users pending",
    "errored": "Users errored",
    "exited": "Exited canvas",
}
METRICS = tuple(CSV_METRICS)
POLL_SECONDS = 0.5


@dataclass
class Readings:
    """Numbers that the marketer has read: metrics by step, from its card and from the analytics."""

    n_enter: int = 0  # people who enter, as the launch checklist says
    cards: dict[str, dict[str, int]] = field(default_factory=dict)
    table: dict[str, dict[str, int]] = field(default_factory=dict)
    is_at_rest: bool = False


@dataclass
class Marketer:
    """One user with one browser."""

    url: str
    browser: Browser = field(default_factory=Browser)
    page: Page = field(init=False)
    readings: Readings = field(default_factory=Readings)

    def sign_in(self, demo_output: str) -> None:
        """Sign in with the account that the demo command printed."""
        account = SIGN_IN.search(demo_output)
        if account is None:
            raise NotOnPage(f"The demo printed no account: {demo_output}")
        form = self.browser.open(self.url).form("Sign in")
        form.fill("E-mail", account["email"]).fill("Password", account["password"])
        self.page = form.press("Sign in").follow(GROUP)

    def connect(self) -> None:
        """Authorise at TikTok and choose two of the four ad accounts."""
        page = self.page.follow("Partner integrations")
        partner = self.browser.open(page.address_of("TikTok"))
        choice = partner.press("Connect TikTok").press("Confirm").form("Save")
        for name in AD_ACCOUNTS:
            choice.tick(name)
        self.page = choice.press("Save").expect(f"Connected {len(AD_ACCOUNTS)} ad accounts")

    def make_segment(self) -> None:
        """Make a segment of all people."""
        form = self.page.follow("Segments").follow("New segment").form("Save segment")
        self.page = form.fill("Name", SEGMENT).press("Save segment")

    def build(self) -> None:
        """Build a canvas: wait, add to a new audience, remove from an old one."""
        form = self.page.follow("Canvases").follow("New canvas").form("Create canvas")
        canvas = form.fill("Name", CANVAS).choose("Segment", SEGMENT).press("Create canvas")
        delay = self._add_step(canvas, "Delay").form("Save")
        delay.fill("How long", "1").choose("Unit", "seconds")
        self._build_add(delay.press("Save").expect("Saved."))
        self._build_remove(self.page)

    def _build_add(self, page: Page) -> None:
        form = self._sync_form(page)
        form.fill("Choose a new or existing audience", NEW_AUDIENCE).tick("Add users")
        created = _tick_identifiers(form).press("Create audience")
        created.expect(f"“{NEW_AUDIENCE}” was created as a new audience")
        self.page = created.press("Save").expect("Saved.")

    def _build_remove(self, page: Page) -> None:
        form = self._sync_form(page)
        form = form.press("Show the audiences of this ad account").form("Create audience")
        form.choose("Choose an existing audience", OLD_AUDIENCE)
        form.fill("Choose a new or existing audience", "").tick("Remove users")
        self.page = _tick_identifiers(form).press("Save").expect("Saved.")

    def _sync_form(self, page: Page) -> Form:
        form = self._add_step(page, "Audience Sync").form("Create audience")
        return form.choose("Ad account", AD_ACCOUNTS[0])

    def _add_step(self, page: Page, label: str) -> Page:
        """Add a component after the last one."""
        links = page.root.xpath("//a[starts-with(@id, 'add-')]")
        if not links:
            raise page.missing("a plus to add a component")
        menu = self.browser.open(links[-1].get("href"))
        buttons = map(text_of, menu.root.xpath("//button"))
        return menu.press(next((text for text in buttons if text.startswith(label)), label))

    def launch(self) -> None:
        """Read the checklist, then launch."""
        checklist = self.page.follow("Launch")
        if "Missing:" in checklist.text:
            raise checklist.missing("nothing on the checklist")
        entering = ENTERING.search(checklist.text)
        self.readings.n_enter = number(entering[1]) if entering else 0
        self.page = checklist.press("Launch").expect("Launched.")

    def watch(self, *, seconds: float) -> None:
        """Reload the canvas until all have entered and none waits or is pending."""
        url = self.page.url.partition("?")[0]
        ends_at = time.monotonic() + seconds
        while not self.readings.is_at_rest and time.monotonic() < ends_at:
            time.sleep(POLL_SECONDS)
            self.page = self.browser.open(url)
            self.readings.is_at_rest = is_at_rest(rows_of(self.page), self.readings.n_enter)

    def read(self) -> None:
        """Read the seven metrics of each step, on its card and in the analytics of the staff."""
        for name, link in cards_of(self.page).items():
            cells = self.browser.open(link).root.xpath("//td[@data-metric]")
            counts = {cell.get("data-metric"): number(text_of(cell)) for cell in cells}
            self.readings.cards[name] = {metric: counts.get(metric, 0) for metric in METRICS}
        lines = self.browser.download(f"{self.page.address_of('Analytics')}?format=csv")
        for row in csv.DictReader(io.StringIO(lines)):
            if row["Canvas"] == CANVAS:
                counts = {metric: int(row[head] or 0) for metric, head in CSV_METRICS.items()}
                self.readings.table[row["Component"]] = counts


def _tick_identifiers(form: Form) -> Form:
    for name in IDENTIFIERS:
        form.tick(name)
    return form


def number(text: str) -> int:
    """Parse a whole number as the pages write it, such as 5,000."""
    digits = re.sub(r"[^\d-]", "", text)
    return int(digits) if digits else 0


def cards_of(page: Page) -> dict[str, str]:
    """Return summary of a step -> link of its card, in the order of the flow."""
    cards = page.root.xpath("//a[starts-with(@id, 'card-')][not(@id = 'card-entry')]")
    return {text_of(card.find_class("step-note")[0]): card.get("href") for card in cards}


def rows_of(page: Page) -> list[dict[str, int]]:
    """Return a row per step of the table below the flow: label of the column -> number."""
    rows = page.root.xpath("//*[@id = 'numbers']//tr[.//td]")
    if not rows:
        raise page.missing("the table of numbers")
    return [
        {cell.get("data-label"): number(text_of(cell)) for cell in row.xpath(".//td")}
        for row in rows
    ]


def is_at_rest(rows: list[dict[str, int]], n_enter: int) -> bool:
    """Return whether all people have reached their last step and have an outcome."""
    is_waiting = any(row["Waiting here"] or row["Users pending"] for row in rows)
    return not is_waiting and all(row["Entered"] >= n_enter for row in rows)
