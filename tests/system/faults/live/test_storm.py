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
N = 60_000
LOOKS_A_SECOND = 10
MOST_MB = 300
# Minimum on a very busy machine; an idle machine reads ten times as many.
LEAST_PAGES, LEAST_CARDS = 10, 20
CELL = re.compile(r'data-metric="(\w+)">\s*(?:<a[^>]*>)?([\d,]+)')


class Watcher:
    """A marketer with several windows that poll the numbers of a step and open pages."""

    def __init__(self, one):
        self.one = one
        self.browser = requests.Session()
        self.browser.cookies["sessionid"] = one.facts["session"]
        self.is_over = False
        self.cards, self.codes = [], []

    def look(self, path, **more):
        answer = self.browser.get(f"{self.one.url}/g/acme/canvases/{path}", timeout=120, **more)
        self.codes.append(answer.status_code)
        return answer.text

    def poll(self):
        """Request the card as htmx does, ten times a second."""
        path = f"{self.one.facts['canvas']}/counts/?open={self.one.facts['step']}&tab=numbers"
        while not self.is_over:
            page = self.look(path, headers={"HX-Request": "true"})
            self.cards.append({name: int(n.replace(",", "")) for name, n in CELL.findall(page)})
            time.sleep(1 / LOOKS_A_SECOND)

    def walk(self):
        """Keep opening pages."""
        while not self.is_over:
            self.look("")
            self.look(f"{self.one.facts['canvas']}/?step={self.one.facts['step']}")


def adds_up(card):
    """Whether L1 holds on a step's card: each person who has left the step is in one state."""
    states = sum(
        card.get(name, 0) for name in ("synced", "not_synced", "pending", "errored", "cancelled")
    )
    through = card["proceeded"] + card["exited"]
    return card["entered"] == through + card.get("waiting", 0) and through == states


def test_cards_always_add_up_while_many_people_enter(site):
    one = site(N, WEB_WORKERS="2")
    one.server.sandbox.faults.set("slow", endpoint="segment/mapping", seconds=2.5)
    one.start("web", "engine")
    watcher = Watcher(one)
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(watcher.poll), pool.submit(watcher.poll), pool.submit(watcher.walk)]
        try:
            one.do(crowd.launch)
            assert one.rest() == {"entered": N, "synced": N}
        finally:
            watcher.is_over = True
        [one_of.result() for one_of in running]
    assert set(watcher.codes) == {200}
    assert len(watcher.codes) - len(watcher.cards) >= LEAST_PAGES
    assert len(watcher.cards) >= LEAST_CARDS
    assert [card for card in watcher.cards if not adds_up(card)] == []
    assert len({card["synced"] for card in watcher.cards}) > 2
    assert one.do(crowd.largest_chunk) <= ADMISSION_CHUNK < N
    assert peak_memory_mb(tree(one.processes["engine"].pid)) < MOST_MB
    assert max(line.people for line in one.pushes()) <= 10_000
    one.check_at_rest()
