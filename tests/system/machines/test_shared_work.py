"""Three engines and two webs share lanes, request budget, beat slots, sessions and rate limits."""

from datetime import datetime
from urllib.parse import urlsplit

import pytest

from tests.system.machines.conftest import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.machines]
RATE = "20"  # requests per second for all; three engines with budgets of their own would send 60
MAX_PER_SECOND = 50  # the limit of the sandbox, as at TikTok


def task_starts(machine, function):
    """Return when a machine's engine started a task, in seconds since 1970."""
    timestamps = [
        line["ts"]
        for line in machine.log_lines()
        if " processing " in line["message"] and f"'{function}'" in line["message"]
    ]
    return [datetime.fromisoformat(ts).timestamp() for ts in timestamps]


def most_in_one_second(timestamps):
    return max(sum(first <= at < first + 1 for at in timestamps) for first in timestamps)


def test_people_are_synced_once_and_the_budget_is_kept_over_all(cluster, start_machines):
    start_machines(engines=3, SYNC_REQUESTS_PER_SECOND=RATE)
    audiences = cluster.launch(cap=10)
    cluster.wait_until_at_rest()
    n, identifiers = cluster.count_sendable()
    lines = cluster.new_mappings()
    assert cluster.synced() == 3 * n
    assert [len(cluster.members(audience) ^ identifiers) for audience in audiences] == [0, 0, 0]
    assert {line["code"] for line in lines} == {0}
    assert sum(line["people"] for line in lines) == 3 * n
    assert len(lines) > 2 * MAX_PER_SECOND
    assert most_in_one_second([line["at"] for line in lines]) <= MAX_PER_SECOND


def test_one_beat_per_slot_over_all_engines(cluster, start_machines):
    machines = start_machines(engines=3, BEAT_SECONDS="0.5")
    cluster.wait_until(
        lambda: (
            min(
                len(task_starts(machine, "audiencesync.core.beat.heartbeat"))
                for machine in machines
            )
            >= 3
        ),
        seconds=180,
    )
    # Tasks of slots that began while the workers started may run at once.
    first_at = max(
        task_starts(machine, "audiencesync.core.beat.heartbeat")[1] for machine in machines
    )
    probes = [
        at for machine in machines for at in task_starts(machine, "partners.housekeeping.probe")
    ]
    beats = sorted(at for at in probes if at >= first_at)
    slots = (beats[-1] - beats[0]) / 0.5 + 4  # a beat may come late into its slot
    assert slots / 2 <= len(beats) <= slots


def test_all_webs_share_the_sessions(start_machines, visitor):
    first, second = start_machines(webs=2)
    visitor.sign_in(first)
    assert [visitor.get(web).status_code for web in (first, second)] == [200, 200]


def test_all_webs_share_the_limit_of_failed_sign_ins(cluster, start_machines):
    first, second = start_machines(webs=2)
    stranger = Visitor(cluster)
    # Behind a proxy the host is the same for each web.
    stranger.session.headers["Host"] = urlsplit(first.url).netloc
    for web in (first, second, first, second, first):
        assert "There is a problem" in stranger.sign_in(web, password="wrong").text
    assert "Too many failed login attempts" in stranger.sign_in(second).text
