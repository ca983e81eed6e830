"""Counts stay exact under load when a machine loses power, Redis dies or a version is deployed."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import requests

from tests.system.machines.conftest import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.machines]
FEW_PER_SECOND = "20"  # requests per second, so that faults happen in the middle of the work
STOP_SECONDS = 25
READ_PAUSE = 0.05  # seconds between two requests of a reader


def last_push(machine):
    """Return when a machine's engine last sent a request, as text; "" if it never did."""
    return max(
        (line["ts"] for line in machine.log_lines() if line["message"].startswith("pushed")),
        default="",
    )


def assert_all_synced_exactly(cluster, audiences):
    """Assert that each person is once in each of the three audiences; return the number synced."""
    cluster.wait_until_at_rest()
    n, identifiers = cluster.count_sendable()
    assert cluster.synced() == 3 * n
    assert [len(cluster.members(audience) ^ identifiers) for audience in audiences] == [0, 0, 0]
    return 3 * n


def test_another_engine_takes_over_when_a_machine_loses_power(cluster, start_machines):
    machines = start_machines(engines=2, SYNC_REQUESTS_PER_SECOND=FEW_PER_SECOND)
    audiences = cluster.launch(cap=10)
    cluster.wait_for_synced(200)
    max(machines, key=last_push).kill_all()
    assert_all_synced_exactly(cluster, audiences)


def test_without_redis_people_are_sent_sessions_last_and_pages_say_so(
    cluster, start_machines, visitor
):
    first, second = start_machines(webs=2, engines=2, SYNC_REQUESTS_PER_SECOND=FEW_PER_SECOND)
    visitor.sign_in(first)
    audiences = cluster.launch(cap=10)
    cluster.wait_for_synced(200)
    cluster.redis.kill()
    n_synced = cluster.synced()  # read it first: the pages below may take long
    try:
        assert visitor.get(second).status_code == 200
        refused = Visitor(cluster).sign_in(second)
        assert (refused.status_code, "The cache is not ready" in refused.text) == (503, True)
        cluster.wait_for_synced(n_synced + 300)
    finally:
        cluster.redis.start()
    assert assert_all_synced_exactly(cluster, audiences) == sum(
        line["people"] for line in cluster.new_mappings()
    )
    assert visitor.get(first).status_code == 200
    assert Visitor(cluster).sign_in(second).status_code == 200


class Crowd:
    """Readers who request pages from both webs in turn; if one is down, from the other.

    A proxy does the same.
    """

    def __init__(self, visitor, webs):
        self.visitor, self.webs, self.has_ended = visitor, webs, Event()
        self.bad_statuses, self.n = [], 0

    def read(self, number):
        while not self.has_ended.wait(READ_PAUSE):
            number += 1
            try:
                status = self.visitor.get(self.webs[number % 2]).status_code
            except requests.ConnectionError:
                status = self.visitor.get(self.webs[(number + 1) % 2]).status_code
            self.n += 1
            if status != 200:
                self.bad_statuses.append(status)


def test_a_deployment_under_load_loses_nothing_and_sends_nothing_twice(
    cluster, start_machines, visitor
):
    machines = start_machines(webs=2, engines=2, SYNC_REQUESTS_PER_SECOND=FEW_PER_SECOND)
    visitor.sign_in(machines[0])
    crowd = Crowd(visitor, machines)
    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(crowd.read, number) for number in range(2)]
        try:
            audiences = cluster.launch(cap=10)
            cluster.wait_for_synced(200)
            for machine in machines:
                redeploy(machine)
        finally:
            crowd.has_ended.set()
    assert [reader.exception() for reader in readers] == [None, None]
    assert (crowd.bad_statuses, crowd.n > 20) == ([], True)
    assert assert_all_synced_exactly(cluster, audiences) == sum(
        line["people"] for line in cluster.new_mappings()
    )


def redeploy(machine):
    """Stop both processes with SIGTERM, then start new ones."""
    started = time.monotonic()
    ending = [machine.processes.pop(name) for name in ("web", "engine")]
    for process in ending:
        process.terminate()
    assert [process.wait(STOP_SECONDS) for process in ending] == [0, 0]
    assert time.monotonic() - started < STOP_SECONDS
    machine.start_web()
    machine.start_engine()
    machine.await_answer("web", f"{machine.url}/healthz")
