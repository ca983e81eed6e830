"""A machine loses power, Redis is lost, a new version is deployed, all of it under load: everything settles exactly."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import requests

from tests.system.machines.conftest import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.machines]
SLOWLY = "20"  # requests per second: time to do harm
STOP_SECONDS = 25


def last_push(machine):
    """When a machine's engine last sent people, as text that sorts."""
    return max(
        (line["ts"] for line in machine.log_lines() if line["message"].startswith("pushed")),
        default="",
    )


def all_is_exact(servers, audiences):
    servers.rests()
    n, sent = servers.people()
    assert servers.synced() == 3 * n
    assert [len(servers.members(one) ^ sent) for one in audiences] == [0, 0, 0]
    return 3 * n


def test_another_engine_takes_over_when_a_machine_loses_power(servers, start):
    machines = start(engines=2, SYNC_REQUESTS_PER_SECOND=SLOWLY)
    audiences = servers.launch(cap=10)
    servers.waits_for(200)
    max(machines, key=last_push).lose_power()
    all_is_exact(servers, audiences)


def test_without_redis_people_are_sent_sessions_last_and_pages_say_so(servers, start, visitor):
    one, other = start(webs=2, engines=2, SYNC_REQUESTS_PER_SECOND=SLOWLY)
    visitor.sign_in(one)
    audiences = servers.launch(cap=10)
    servers.waits_for(200)
    servers.redis.kill()
    try:
        assert visitor.get(other).status_code == 200
        refused = Visitor(servers).sign_in(other)
        assert (refused.status_code, "The cache is not ready" in refused.text) == (503, True)
        servers.waits_for(servers.synced() + 300)
    finally:
        servers.redis.start()
    assert all_is_exact(servers, audiences) == sum(
        line["people"] for line in servers.new_mappings()
    )
    assert visitor.get(one).status_code == 200
    assert Visitor(servers).sign_in(other).status_code == 200


class Crowd:
    """Readers who ask both webs in turn, as a proxy would: the other one if nobody listens there."""

    def __init__(self, visitor, webs):
        self.visitor, self.webs, self.over = visitor, webs, Event()
        self.bad, self.n = [], 0

    def read(self, number):
        while not self.over.is_set():
            number += 1
            try:
                status = self.visitor.get(self.webs[number % 2]).status_code
            except requests.ConnectionError:
                status = self.visitor.get(self.webs[(number + 1) % 2]).status_code
            self.n += 1
            if status != 200:
                self.bad.append(status)


def test_a_deployment_under_load_loses_nothing_and_sends_nothing_twice(servers, start, visitor):
    machines = start(webs=2, engines=2, SYNC_REQUESTS_PER_SECOND=SLOWLY)
    visitor.sign_in(machines[0])
    crowd = Crowd(visitor, machines)
    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(crowd.read, number) for number in range(2)]
        try:
            audiences = servers.launch(cap=10)
            servers.waits_for(200)
            for machine in machines:
                replace(machine)
        finally:
            crowd.over.set()
    assert [reader.exception() for reader in readers] == [None, None]
    assert (crowd.bad, crowd.n > 20) == ([], True)
    assert all_is_exact(servers, audiences) == sum(
        line["people"] for line in servers.new_mappings()
    )


def replace(machine):
    """SIGTERM to both processes at once, then new ones."""
    begun = time.monotonic()
    ending = [machine.processes.pop(name) for name in ("web", "engine")]
    for process in ending:
        process.terminate()
    assert [process.wait(STOP_SECONDS) for process in ending] == [0, 0]
    assert time.monotonic() - begun < STOP_SECONDS
    machine.start_web()
    machine.start_engine()
    machine.await_answer("web", f"{machine.url}/healthz")
