"""People at work during a chaos run: one process that does deeds at random and keeps a journal of them.

The journal is written before and after each deed, so that who is killed in the middle does it again.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from canvases.models import Canvas
from lab.chaos import world
from partners.models import AdAccount, Sync

# how often each deed is done, against the others
WEIGHTS = {
    "enter": 55,
    "newcomers": 12,
    "launch": 8,
    "stop": 5,
    "retry": 6,
    "connect": 10,
    "disconnect": 3,
    "create": 3,
}
TWICE = 0.2  # of all deeds
CROWD = 300
NEWCOMERS = 120
NAMES = 3  # of audiences that are created meanwhile, by each actor and group
LONGEST_PAUSE = 0.25


class Journal:
    """Lines of JSON: {"n", "deed", "told"} when begun, {"done": n} or {"refused": n} when over."""

    def __init__(self, file: Path) -> None:
        self.file = file
        lines = (
            [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        )
        self.begun: list[dict[str, Any]] = [line for line in lines if "deed" in line]
        self.over = {
            line["done"] if "done" in line else line["refused"]
            for line in lines
            if "deed" not in line
        }
        self.done = {line["done"] for line in lines if "done" in line}

    def write(self, **line: Any) -> None:
        """One line, and nothing that a kill could take back."""
        with self.file.open("a") as opened:
            opened.write(json.dumps(line) + "\n")

    def unfinished(self) -> list[dict[str, Any]]:
        """What was begun and not answered."""
        return [line for line in self.begun if line["n"] not in self.over]

    def told(self, deed: str) -> Iterator[dict[str, Any]]:
        """The arguments of each deed of this kind that was done."""
        return (
            line["told"] for line in self.begun if line["deed"] == deed and line["n"] in self.done
        )


class Actor:
    """Somebody who never rests."""

    def __init__(self, *, actor: int, seed: int, journal: Path) -> None:
        self.actor, self.journal = actor, Journal(journal)
        self.n = len(self.journal.begun)
        self.random = random.Random(f"{seed}-{actor}-{self.n}")  # noqa: S311  # for repeating a run
        self.known = dict.fromkeys(world.GROUPS, 0)
        for told in self.journal.told("newcomers"):
            self.known[told["group"]] = max(self.known[told["group"]], told["first"] + told["n"])

    def live(self) -> None:
        """Until killed."""
        for line in self.journal.unfinished():
            self.do(line["n"], line["deed"], line["told"])
        while True:
            deed = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            if told := self.plan(deed):
                n, self.n = self.n, self.n + 1
                self.journal.write(n=n, deed=deed, told=told)
                for _ in range(1 + (self.random.random() < TWICE)):
                    self.do(n, deed, told)
            time.sleep(self.random.uniform(0, LONGEST_PAUSE))

    def do(self, n: int, deed: str, told: dict[str, Any]) -> None:
        """Once; a refusal in a storm is an answer."""
        try:
            world.DEEDS[deed](**told)
        except world.REFUSALS:
            self.journal.write(refused=n)
            return
        self.journal.write(done=n)
        if deed == "newcomers":
            self.known[told["group"]] = told["first"] + told["n"]

    def plan(self, deed: str) -> dict[str, Any]:
        """With what; empty if it cannot be done yet."""
        group = self.random.choice(world.GROUPS)
        here = {"group": group, "actor": self.actor}
        if deed == "newcomers":
            return here | {"first": self.known[group], "n": self.random.randint(1, NEWCOMERS)}
        if deed == "enter":
            return self._crowd(here)
        if deed in ("launch", "stop"):
            return {
                "canvas_id": self.random.choice(
                    list(Canvas.objects.order_by("pk").values_list("pk", flat=True))
                )
            }
        if deed == "retry":
            return {
                "sync_id": self.random.choice(
                    list(Sync.objects.order_by("pk").values_list("pk", flat=True))
                )
            }
        if deed == "disconnect":
            return {"group": group, "discard": self.random.random() < 0.4}
        if deed == "create":
            accounts = AdAccount.objects.filter(connection__app_group__slug=group).order_by("pk")
            account = self.random.choice(list(accounts.values_list("remote_id", flat=True)))
            return {
                "group": group,
                "account": account,
                "name": f"new {group} {self.random.randrange(NAMES)}",
            }
        return {"group": group}

    def _crowd(self, here: dict[str, Any]) -> dict[str, Any]:
        """Some of those whom this actor brought in."""
        known = self.known[here["group"]]
        if not known:
            return {}
        direct = Sync.objects.filter(app_group__slug=here["group"], label="direct").order_by("pk")
        first = self.random.randrange(known)
        n = min(self.random.randint(1, CROWD), known - first)
        sync_id = self.random.choice(list(direct.values_list("pk", flat=True)))
        return here | {
            "sync_id": sync_id,
            "first": first,
            "n": n,
            "deed": self.actor * 100_000 + self.n,
        }
