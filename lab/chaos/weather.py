"""The weather of a chaos run: four in ten calls of the sandbox go wrong, each kind of trouble at random."""

from __future__ import annotations

import random
import time
from typing import Any

import requests

from lab.chaos import world

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "throttle"},
    {"kind": "http_error", "status": 502},
    {"kind": "http_error", "status": 429},
    {"kind": "drop"},
    {"kind": "apply_then_drop"},
    {"kind": "apply_then_drop"},
    {"kind": "slow", "seconds": 1.5},
    {"kind": "drip", "seconds": 0.02},
    {"kind": "truncated"},
    {"kind": "not_json"},
    {"kind": "empty"},
    {"kind": "redirect"},
    {"kind": "huge", "megabytes": 2},
    {"kind": "code_null"},
    {"kind": "partial", "rows": [0]},
    {"kind": "partial", "rows": [0, 1], "named": True},
    *(
        {"kind": "code", "code": code}
        for code in (40002, 40007, 40050, 40105, 40118, 40133, 50000, 59999)
    ),
)
SHARE = 0.4  # of the calls that go wrong
ENDPOINTS = (
    "segment/",
    "dmp/",
)  # mappings, creating and listing; who authorises would hardly ever get through
POISONS = 3  # people whose batches are refused
SPELL = (4.0, 9.0)  # seconds between two changes of what is special


class Weather:
    """Sets the faults, changes the special ones, clears them."""

    def __init__(self, url: str, *, seed: int) -> None:
        self.url = f"{url}/sandbox/api/faults/"
        self.random = random.Random(f"{seed}-weather")  # noqa: S311  # for repeating a run
        self.next_at = 0.0
        self.special: list[int] = []

    def break_out(self) -> None:
        """Each kind with the share that makes SHARE in all."""
        each = 1 - (1 - SHARE) ** (1 / len(FAULTS))
        for endpoint in ENDPOINTS:
            for fault in FAULTS:
                self._set({**fault, "endpoint": endpoint, "share": round(each, 4)})

    def change(self) -> None:
        """If it is time: other people are poison, and sometimes everything is down or all tokens are void."""
        now = time.monotonic()
        if now < self.next_at:
            return
        self.next_at = now + self.random.uniform(*SPELL)
        for fault_id in self.special:
            requests.delete(self.url, params={"id": fault_id}, timeout=10)
        self.special = [
            self._set({"kind": "poison", "hash": self._somebody()}) for _ in range(POISONS)
        ]
        dice = self.random.random()
        if dice < 0.3:
            self._set({"kind": "http_error", "status": 503, "for_seconds": 1.5})
        elif dice < 0.45:
            self._set({"kind": "revoke_token"})
        elif dice < 0.55:  # rarely: the cap that is learned of it lasts
            self._set({"kind": "code", "code": 40061, "endpoint": "segment/mapping", "count": 1})

    def clear(self) -> None:
        """Blue sky."""
        requests.delete(self.url, timeout=10).raise_for_status()

    def _somebody(self) -> str:
        group, actor = self.random.choice(world.GROUPS), self.random.randrange(2)
        return world.hash_of(f"{group}-{actor}-{self.random.randrange(2, 300)}").hex()

    def _set(self, wish: dict[str, Any]) -> int:
        answer = requests.post(self.url, json=wish, timeout=10)
        answer.raise_for_status()
        return int(answer.json().get("id", 0))
