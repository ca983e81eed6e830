"""Users of the product during a chaos run: each actor is a process that does random acts.

An act is one call of `world.ACTS`, such as to launch a canvas or to enter people. The actor writes
its journal before and after each act. If it is killed, its successor reads the journal and repeats
the unfinished act.
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

WEIGHTS = {  # how often each act is done compared with the others
    "enter": 55,
    "add_profiles": 12,
    "launch": 8,
    "stop": 5,
    "retry": 6,
    "connect": 10,
    "disconnect": 3,
    "create": 3,
}
REPEATED_SHARE = 0.2  # the share of acts that are done twice
MAX_CROWD = 300  # people of one "enter"
MAX_NEW_PROFILES = 120  # profiles of one act "add_profiles"
N_NAMES = 3  # names of audiences to create, per group
MAX_PAUSE = 0.25  # seconds


class Journal:
    """Lines of JSON: {"n", "act", "arguments"} before an act, {"done": n} or {"refused": n} after.

    ``n`` is the number of the act.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        text = file.read_text() if file.exists() else ""
        lines = [json.loads(line) for line in text.splitlines()]
        self.begun: list[dict[str, Any]] = [line for line in lines if "act" in line]
        self.done = {line["done"] for line in lines if "done" in line}
        self.ended = self.done | {line["refused"] for line in lines if "refused" in line}

    def write(self, **line: Any) -> None:
        """Append one line; it is complete in the file even if the process is killed afterwards."""
        with self.file.open("a") as opened:
            opened.write(json.dumps(line) + "\n")

    def unfinished(self) -> list[dict[str, Any]]:
        """Return the acts that have begun but not ended."""
        return [line for line in self.begun if line["n"] not in self.ended]

    def arguments(self, act: str) -> Iterator[dict[str, Any]]:
        """Return the arguments of each act of this kind that was done."""
        done = (line for line in self.begun if line["act"] == act and line["n"] in self.done)
        return (line["arguments"] for line in done)


class Actor:
    """Does acts of world.ACTS at random until killed."""

    def __init__(self, *, actor: int, seed: int, journal: Path) -> None:
        self.actor, self.journal = actor, Journal(journal)
        self.n = len(self.journal.begun)  # number of the next act
        self.random = random.Random(f"{seed}-{actor}-{self.n}")
        # How many profiles this actor has made in each group.
        self.n_profiles = dict.fromkeys(world.GROUPS, 0)
        for arguments in self.journal.arguments("add_profiles"):
            self._count(arguments)

    def run(self) -> None:
        """Repeat the unfinished acts, then act until killed."""
        for line in self.journal.unfinished():
            self.do(line["n"], line["act"], line["arguments"])
        while True:
            act = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            if arguments := self.plan(act):
                n, self.n = self.n, self.n + 1
                self.journal.write(n=n, act=act, arguments=arguments)
                for _ in range(1 + (self.random.random() < REPEATED_SHARE)):
                    self.do(n, act, arguments)
            time.sleep(self.random.uniform(0, MAX_PAUSE))

    def do(self, n: int, act: str, arguments: dict[str, Any]) -> None:
        """Do an act once. A refusal ends it, too: during faults the product may refuse."""
        try:
            world.ACTS[act](**arguments)
        except world.REFUSALS:
            self.journal.write(refused=n)
            return
        self.journal.write(done=n)
        if act == "add_profiles":
            self._count(arguments)

    def _count(self, arguments: dict[str, Any]) -> None:
        group, n = arguments["group"], arguments["first"] + arguments["n"]
        self.n_profiles[group] = max(self.n_profiles[group], n)

    def plan(self, act: str) -> dict[str, Any]:
        """Return arguments for an act; empty if it is not possible yet."""
        group = self.random.choice(world.GROUPS)
        match act:
            case "add_profiles":
                n = self.random.randint(1, MAX_NEW_PROFILES)
                first = self.n_profiles[group]
                return {"group": group, "actor": self.actor, "first": first, "n": n}
            case "enter":
                return self._plan_crowd(group)
            case "launch" | "stop":
                return {"canvas_id": self._one_of(Canvas.objects, "pk")}
            case "retry":
                return {"sync_id": self._one_of(Sync.objects, "pk")}
            case "disconnect":
                return {"group": group, "discard": self.random.random() < 0.4}
            case "create":
                accounts = AdAccount.objects.filter(connection__app_group__slug=group)
                name = f"new {group} {self.random.randrange(N_NAMES)}"
                account = self._one_of(accounts, "remote_id")
                return {"group": group, "account": account, "name": name}
        return {"group": group}

    def _plan_crowd(self, group: str) -> dict[str, Any]:
        """Choose some of the profiles that this actor has made."""
        n_profiles = self.n_profiles[group]
        if not n_profiles:
            return {}
        first = self.random.randrange(n_profiles)
        syncs = Sync.objects.filter(app_group__slug=group, label="direct")
        return {
            "group": group,
            "actor": self.actor,
            "sync_id": self._one_of(syncs, "pk"),
            "first": first,
            "n": min(self.random.randint(1, MAX_CROWD), n_profiles - first),
            "act": self.actor * 100_000 + self.n,  # unique among all actors
        }

    def _one_of(self, rows: Any, column: str) -> Any:
        return self.random.choice(list(rows.order_by("pk").values_list(column, flat=True)))
