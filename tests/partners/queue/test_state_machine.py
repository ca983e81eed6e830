"""After any sequence of steps the laws hold, and at the end audiences have the expected people.

``MACHINE=500x50 pytest tests/partners/queue/test_state_machine.py --hypothesis-seed=1`` runs
500 examples of 50 steps with that seed.
"""

import os
import sys
from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.partners.queue import expected
from tests.partners.queue.random_world import N_PEOPLE, RandomWorld

pytestmark = pytest.mark.slow
LARGE = os.environ.get("MACHINE", "")
EXAMPLES, STEPS = map(int, (LARGE or "25x25").split("x"))
SYNC = {
    "requests_per_second": 5000.0,
    "throttle_park": 0.001,  # by the clock of the database, which the tests do not move
    "erasure_rest": 900.0,
    "erasure_deadline": 2 * 86_400.0,  # removals from a deleted audience are tried for two days
    "flush_seconds": 1.0,
    "request_deadline": 10.0,
    "threads": 5,  # one request at a time, so a failure is reproducible
}
audiences = st.integers(0, 1)
actions = st.sampled_from(["add", "remove"])
numbers = st.integers(0, N_PEOPLE - 1)
crowds = st.sets(numbers, min_size=2)
booleans = st.booleans()
times = st.sampled_from([1, 6, 6, 61, 61, 310, 310, 3600, 14 * 3600, 3 * 86400])
faults = st.sampled_from(
    [
        ("http_error", {}),
        ("apply_then_drop", {}),
        ("drop", {}),
        ("not_json", {}),
        ("truncated", {}),
        ("throttle", {}),
        ("partial", {"rows": [0], "named": True}),
        ("partial", {"rows": [1], "named": False}),
        *(
            ("code", {"code": code})
            for code in (40002, 40001, 40011, 40050, 40105, 40133, 50000, 99999)
        ),
    ]
)
BLOCKS = ["disconnected", "discarded", "account gone", "revoked", "dropped", "deleted", "stopped"]


class Machine(RuleBasedStateMachine):
    """The rules, each a method of RandomWorld. Preconditions depend only on earlier steps."""

    def __init__(self, build):
        super().__init__()
        # The moved clock stays ahead of that of the database, by which send times are booked.
        ahead = timezone.now() + timedelta(hours=1)
        self.clock = time_machine.travel(ahead, tick=False)
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.world = build(self.clock.start())
        self.steps_left = 0  # remaining steps until a block is repaired

    def teardown(self):
        try:
            if sys.exc_info()[0] is None:
                self.world.settle_everything()
                assert list(expected.wrong_members(self.world)) == []
        finally:
            self.clock.stop()
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    @invariant()
    def the_laws_hold(self):
        self.world.check()
        self.steps_left -= 1
        if self.steps_left == 0:
            self.world.repair()

    @rule(
        audience=audiences,
        action=actions,
        crowd=crowds,
        mode=st.sampled_from(["", "sent", "sent", "twice", "twice"]),
    )
    def enter(self, audience, action, crowd, mode):
        """Enqueue a crowd.

        "sent": send it and enqueue it again, which adds nothing. "twice": do the same while a
        frozen worker has the request, too.
        """
        self.world.enqueue_crowd(audience, action, sorted(crowd))
        if mode == "twice":
            self.world.freeze(loses_lease=True)
        if mode:
            self.world.beat()
            assert self.world.repeat_enqueue() == 0

    @rule(with_housekeeping=booleans)
    def beat(self, with_housekeeping):
        self.world.beat()
        if with_housekeeping:
            self.world.housekeep()

    @rule(seconds=times)
    def advance_clock(self, seconds):
        self.world.advance_clock(seconds)

    @rule(fault=faults, count=st.integers(1, 4))
    def fault(self, fault, count):
        kind, details = fault
        self.world.set_fault(kind, count=count, **details)

    @rule(number=numbers, count=st.integers(1, 12), is_partial=booleans, named=booleans)
    def poison(self, number, count, is_partial, named):
        if digest := self.world.hash_of(number):
            more = {"named": named} if is_partial else {}
            self.world.set_fault(
                "partial" if is_partial else "poison", hash=digest, count=count, **more
            )

    @rule(people=st.sampled_from([1, 2, 3, None]))
    def limit(self, people):
        self.world.limit_people(people)

    @rule(event=st.sampled_from(["freezes", "goes on", "goes on", "dies", "sends and dies"]))
    def worker(self, event):
        if event == "freezes":
            self.world.freeze(loses_lease=False)
        else:
            self.world.thaw(sends=event == "sends and dies", dies=event != "goes on")

    @rule(number=numbers, value=st.sampled_from(["a", "b", "c", None, True, False]))
    def change_profile(self, number, value):
        """Change or delete an e-mail address, or the consent (True, False)."""
        if isinstance(value, bool):
            self.world.change_profile(number, ads_consent=value)
        else:
            self.world.change_profile(number, email=value and f"p{number}{value}@example.org")

    @precondition(lambda self: len(self.world.erased) < 2)
    @rule(number=numbers)
    def erase(self, number):
        if number not in self.world.erased:
            self.world.erase(number)

    @rule(audience=audiences, action=actions)
    def retry(self, audience, action):
        self.world.retry(audience, action)

    @precondition(lambda self: self.world.is_unblocked)
    @rule(block=st.sampled_from(BLOCKS), steps=st.integers(2, 5))
    def block(self, block, steps):
        self.steps_left = steps
        self.world.block(block)


def test_the_laws_hold_after_random_steps(server, acme, alice, settings, tmp_path):
    settings.TIKTOK_API_URL = server.url
    settings.SYNC = settings.SYNC | SYNC
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"deliveries": 2, "pushes": 2}
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    acme.remove_on_withdrawal = True
    acme.save()
    machine_settings = hypothesis_settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        derandomize=not LARGE,
        database=None,
        suppress_health_check=list(HealthCheck),  # steps are slow: each is a run of the queue
    )
    run_state_machine_as_test(
        lambda: Machine(lambda clock: RandomWorld(server, acme, alice, clock)),
        settings=machine_settings,
    )
