"""F47, F48: many people enter at once: chunks stay bounded, the web answers, all cards add up."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from canvases.engine.admission import ADMISSION_CHUNK
from lab.stack.processes import peak_memory_mb, tree
from tests.system.faults.live import crowd

pytestmark = pytest.mark.slow
N_PEOPLE = 60_000
POLLS_PER_SECOND = 10
MAX_MB = 300  # of each process of the engine
# Minimum on a very busy machine; an idle machine reads ten times as many.
MIN_PAGES, MIN_CARDS = 10, 20
CELL = re.compile(r'data-metric="(\w+)">\s*(?:<a[^>]*>)?([\d,]+)')


class Watcher:
    """A marketer with several windows that poll the numbers of a step and open pages."""

    def __init__(self, site):
        self.site = site
        self.browser = requests.Session()
        self.browser.cookies["sessionid"] = site.facts["session"]
        self.has_ended = False
        self.cards, self.codes = [], []

    def open(self, path, **more):
        answer = self.browser.get(f"{self.site.url}/g/acme/canvases/{path}", timeout=120, **more)
        self.codes.append(answer.status_code)
        return answer.text

    def poll(self):
        """Request the card as htmx does, ten times a second."""
        path = f"{self.site.facts['canvas']}/counts/?open={self.site.facts['step']}&tab=numbers"
        while not self.has_ended:
            page = self.open(path, headers={"HX-Request": "true"})
            self.cards.append({name: int(n.replace(",", "")) for name, n in CELL.findall(page)})
            time.sleep(1 / POLLS_PER_SECOND)

    def open_pages(self):
        """Keep opening pages."""
        while not self.has_ended:
            self.open("")
            self.open(f"{self.site.facts['canvas']}/?step={self.site.facts['step']}")


def adds_up(card):
    """Return whether L1 holds on a card: each person who has left the step is in one state."""
    states = sum(
        card.get(name, 0) for name in ("synced", "not_synced", "pending", "errored", "cancelled")
    )
    through = card["proceeded"] + card["exited"]
    return card["entered"] == through + card.get("waiting", 0) and through == states


def test_cards_always_add_up_while_many_people_enter(make_site):
    site = make_site(N_PEOPLE, WEB_WORKERS="2")
    site.server.sandbox.faults.set("slow", endpoint="segment/mapping", seconds=2.5)
    site.start("web", "engine")
    watcher = Watcher(site)
    with ThreadPoolExecutor(3) as pool:
        running = [
            pool.submit(watcher.poll),
            pool.submit(watcher.poll),
            pool.submit(watcher.open_pages),
        ]
        try:
            site.do(crowd.launch)
            assert site.await_rest() == {"entered": N_PEOPLE, "synced": N_PEOPLE}
        finally:
            watcher.has_ended = True
        for future in running:
            future.result()  # raises the error of its thread
    assert set(watcher.codes) == {200}
    assert len(watcher.codes) - len(watcher.cards) >= MIN_PAGES
    assert len(watcher.cards) >= MIN_CARDS
    assert [card for card in watcher.cards if not adds_up(card)] == []
    assert len({card["synced"] for card in watcher.cards}) > 2
    assert site.do(crowd.largest_chunk) <= ADMISSION_CHUNK < N_PEOPLE
    assert peak_memory_mb(tree(site.processes["engine"].pid)) < MAX_MB
    assert max(line.people for line in site.pushes()) <= 10_000
    site.check_at_rest()
