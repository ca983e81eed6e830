"""Inject faults at the sandbox: four in ten calls fail, each kind of fault at random."""

from __future__ import annotations

import random
import time
from typing import Any

from lab.chaos import world
from lab.stack.sandbox import SandboxClient

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
FAILING_SHARE = 0.4  # the share of calls that fail
# Calls under segment/ map people, calls under dmp/ create and list audiences. Authorisation is
# left out: if it failed as often, hardly any connection would succeed.
ENDPOINTS = ("segment/", "dmp/")
N_POISON = 3  # people whose batches are rejected
CHANGE_INTERVAL = (4.0, 9.0)  # seconds between two changes of the poison people


class FaultInjector:
    """Sets the faults that last for the whole storm, and changes the poison people meanwhile."""

    def __init__(self, url: str, *, seed: int) -> None:
        self.sandbox = SandboxClient(url)
        self.random = random.Random(f"{seed}-faults")
        self.next_at = 0.0
        self.poison_ids: list[int] = []  # of the poison faults that are set now

    def begin(self) -> None:
        """Set all FAULTS, each with the same share, so that FAILING_SHARE of the calls fail."""
        # The sandbox draws for each fault independently: a call succeeds if none is drawn.
        share = 1 - (1 - FAILING_SHARE) ** (1 / len(FAULTS))
        for endpoint in ENDPOINTS:
            for fault in FAULTS:
                self.sandbox.set_fault({**fault, "endpoint": endpoint, "share": round(share, 4)})

    def change(self) -> None:
        """If it is time, choose new poison people; sometimes fail all calls or revoke tokens."""
        now = time.monotonic()
        if now < self.next_at:
            return
        self.next_at = now + self.random.uniform(*CHANGE_INTERVAL)
        for fault_id in self.poison_ids:
            self.sandbox.clear_fault(fault_id)
        poison = [{"kind": "poison", "hash": self._random_hash()} for _ in range(N_POISON)]
        self.poison_ids = [self.sandbox.set_fault(fault) for fault in poison]
        draw = self.random.random()
        if draw < 0.3:
            self.sandbox.set_fault({"kind": "http_error", "status": 503, "for_seconds": 1.5})
        elif draw < 0.45:
            self.sandbox.set_fault({"kind": "revoke_token"})
        elif draw < 0.55:  # rarely: the product keeps the lower cap that it learns from this fault
            too_many = {"kind": "code", "code": 40061, "endpoint": "segment/mapping", "count": 1}
            self.sandbox.set_fault(too_many)

    def clear(self) -> None:
        """End all faults."""
        self.sandbox.clear_faults()

    def _random_hash(self) -> str:
        group, actor = self.random.choice(world.GROUPS), self.random.randrange(2)
        return world.hash_of(f"{group}-{actor}-{self.random.randrange(2, 300)}").hex()
