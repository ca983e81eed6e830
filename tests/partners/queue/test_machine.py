"""Whatever happens in whatever order, the laws hold at every moment, and at rest the partner has whom we believe it has.

``MACHINE=500x50 pytest tests/partners/queue/test_machine.py --hypothesis-seed=1`` runs
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
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.partners.queue import fold
from tests.partners.queue.machine import N_PEOPLE, Town

pytestmark = pytest.mark.slow
LARGE = os.environ.get("MACHINE", "")
EXAMPLES, STEPS = map(int, (LARGE or "25x25").split("x"))
SYNC = {
    "requests_per_second": 5000.0,
    "throttle_park": 0.001,  # by the clock of the database, which is not ours
    "erasure_rest": 900.0,
    "erasure_deadline": 2 * 86_400.0,  # a deleted audience is tried for so long
    "flush_seconds": 1.0,
    "request_deadline": 10.0,
    "threads": 5,  # one request at a time: what fails once, fails again
}
audiences = st.integers(0, 1)
actions = st.sampled_from(["add", "remove"])
numbers = st.integers(0, N_PEOPLE - 1)
crowds = st.sets(numbers, min_size=2)
yes = st.booleans()
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
TROUBLES = ["disconnected", "discarded", "account gone", "revoked", "dropped", "deleted", "stopped"]


class Machine(RuleBasedStateMachine):
    """The rules; what each does is told in the town. Which are allowed depends on those before, and on nothing else."""

    def __init__(self, build):
        super().__init__()
        ahead = timezone.now() + timedelta(
            hours=1
        )  # of the database, whose clock books the times of requests
        self.clock = time_machine.travel(ahead, tick=False)
        self.rows = transaction.atomic()
        self.rows.__enter__()
        self.town = build(self.clock.start())
        self.left = 0  # steps of a trouble

    def teardown(self):
        try:
            if sys.exc_info()[0] is None:
                self.town.come_to_rest()
                assert list(fold.contradictions(self.town)) == []
        finally:
            self.clock.stop()
            transaction.set_rollback(True)
            self.rows.__exit__(None, None, None)

    @invariant()
    def the_laws_hold(self):
        self.town.judge()
        self.left -= 1
        if self.left == 0:
            self.town.mend()

    @rule(
        audience=audiences,
        action=actions,
        crowd=crowds,
        how=st.sampled_from(["", "sent", "sent", "twice", "twice"]),
    )
    def enter(self, audience, action, crowd, how):
        """Twice: by one worker at once, by another that is frozen now, perhaps later."""
        self.town.walk_in(audience, action, sorted(crowd))
        if how == "twice":
            self.town.freeze(loses_lease=True)
        if how:
            self.town.beat()
            assert self.town.walk_in_again() == 0

    @rule(cares=yes)
    def beat(self, cares):
        self.town.beat()
        if cares:
            self.town.look_after()

    @rule(seconds=times)
    def pass_time(self, seconds):
        self.town.pass_time(seconds)

    @rule(fault=faults, count=st.integers(1, 4))
    def fault(self, fault, count):
        kind, details = fault
        self.town.fault(kind, count=count, **details)

    @rule(number=numbers, count=st.integers(1, 12), is_partial=yes, named=yes)
    def poison(self, number, count, is_partial, named):
        if digest := self.town.hash_of(number):
            more = {"named": named} if is_partial else {}
            self.town.fault("partial" if is_partial else "poison", hash=digest, count=count, **more)

    @rule(people=st.sampled_from([1, 2, 3, None]))
    def limit(self, people):
        self.town.allow(people)

    @rule(what=st.sampled_from(["freezes", "goes on", "goes on", "dies", "sends and dies"]))
    def worker(self, what):
        if what == "freezes":
            self.town.freeze(loses_lease=False)
        else:
            self.town.thaw(sends=what == "sends and dies", dies=what != "goes on")

    @rule(number=numbers, told=st.sampled_from(["a", "b", "c", None, True, False]))
    def tell(self, number, told):
        """Another e-mail address or none, or what they think of advertising."""
        if isinstance(told, bool):
            self.town.tell(number, ads_consent=told)
        else:
            self.town.tell(number, email=told and f"p{number}{told}@example.org")

    @precondition(lambda self: len(self.town.erased) < 2)
    @rule(number=numbers)
    def erase(self, number):
        if number not in self.town.erased:
            self.town.erase(number)

    @rule(audience=audiences, action=actions)
    def retry(self, audience, action):
        self.town.retry(audience, action)

    @precondition(lambda self: self.town.is_well)
    @rule(trouble=st.sampled_from(TROUBLES), steps=st.integers(2, 5))
    def trouble(self, trouble, steps):
        self.left = steps
        self.town.trouble(trouble)


def test_the_machine(server, acme, alice, settings, tmp_path):
    settings.TIKTOK_API_URL = server.url
    settings.SYNC = settings.SYNC | SYNC
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"deliveries": 2, "pushes": 2}
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    acme.remove_on_withdrawal = True
    acme.save()
    chosen = how(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,  # a step may wait for the machine
        derandomize=not LARGE,
        database=None,
        suppress_health_check=list(HealthCheck),  # steps are slow: each is a run of the queue
    )
    run_state_machine_as_test(
        lambda: Machine(lambda clock: Town(server, acme, alice, clock)), settings=chosen
    )
