"""Three engines and two webs share lanes, request budget, beat slots, sessions and rate limits."""

from datetime import datetime
from urllib.parse import urlsplit

import pytest

from tests.system.machines.conftest import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.machines]
RATE = "20"  # requests per second for all; three engines with budgets of their own would send 60
MOST_PER_SECOND = 50  # the limit of the sandbox, as at TikTok


def starts(machine, function):
    """Return when a machine's engine started a task, in seconds since 1970."""
    found = [
        line["ts"]
        for line in machine.log_lines()
        if " processing " in line["message"] and f"'{function}'" in line["message"]
    ]
    return [datetime.fromisoformat(ts).timestamp() for ts in found]


def most_in_one_second(timestamps):
    return max(sum(at <= other < at + 1 for other in timestamps) for at in timestamps)


def test_people_are_synced_once_and_the_budget_is_kept_over_all(cluster, start):
    start(engines=3, SYNC_REQUESTS_PER_SECOND=RATE)
    audiences = cluster.launch(cap=10)
    cluster.wait_until_at_rest()
    n, sent = cluster.expected()
    lines = cluster.new_mappings()
    assert cluster.synced() == 3 * n
    assert [len(cluster.members(one) ^ sent) for one in audiences] == [0, 0, 0]
    assert {line["code"] for line in lines} == {0}
    assert sum(line["people"] for line in lines) == 3 * n
    assert len(lines) > 2 * MOST_PER_SECOND
    assert most_in_one_second([line["at"] for line in lines]) <= MOST_PER_SECOND


def test_one_beat_per_slot_over_all_engines(cluster, start):
    machines = start(engines=3, BEAT_SECONDS="0.5")
    cluster.wait_until(
        lambda: min(len(starts(one, "audiencesync.core.beat.heartbeat")) for one in machines) >= 3,
        seconds=180,
    )
    # Tasks of slots that began while the workers started may run at once.
    begun = max(starts(one, "audiencesync.core.beat.heartbeat")[1] for one in machines)
    probes = [at for one in machines for at in starts(one, "partners.housekeeping.probe")]
    beats = sorted(at for at in probes if at >= begun)
    slots = (beats[-1] - beats[0]) / 0.5 + 4  # a beat may come late into its slot
    assert slots / 2 <= len(beats) <= slots


def test_all_webs_share_the_sessions(start, visitor):
    one, other = start(webs=2)
    visitor.sign_in(one)
    assert [visitor.get(web).status_code for web in (one, other)] == [200, 200]


def test_all_webs_share_the_limit_of_failed_sign_ins(cluster, start):
    one, other = start(webs=2)
    stranger = Visitor(cluster)
    # Behind a proxy the host is the same, whichever web answers.
    stranger.session.headers["Host"] = urlsplit(one.url).netloc
    for web in (one, other, one, other, one):
        assert "There is a problem" in stranger.sign_in(web, password="wrong").text
    assert "Too many failed login attempts" in stranger.sign_in(other).text
