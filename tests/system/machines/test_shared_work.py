"""Three engines and two webs share lanes, budget, beat, sessions and limits."""

from datetime import datetime
from urllib.parse import urlsplit

import pytest

from tests.system.machines.conftest import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.machines]
PACE = "30"  # requests per second, for all; three engines that paced themselves would send 90
MOST_PER_SECOND = 50  # what the sandbox takes, as TikTok does


def starts(machine, function):
    """When a machine's engine took up a task, in seconds."""
    found = [
        line["ts"]
        for line in machine.log_lines()
        if " processing " in line["message"] and f"'{function}'" in line["message"]
    ]
    return [datetime.fromisoformat(ts).timestamp() for ts in found]


def most_in_one_second(moments):
    moments = sorted(moments)
    return max(sum(1 for other in moments if at <= other < at + 1) for at in moments)


def test_people_are_synced_once_and_the_budget_is_kept_over_all(servers, start):
    start(engines=3, SYNC_REQUESTS_PER_SECOND=PACE)
    audiences = servers.launch(cap=10)
    servers.rests()
    n, sent = servers.people()
    lines = servers.new_mappings()
    assert servers.synced() == 3 * n
    assert [len(servers.members(one) ^ sent) for one in audiences] == [0, 0, 0]
    assert {line["code"] for line in lines} == {0}
    assert sum(line["people"] for line in lines) == 3 * n
    assert len(lines) > 2 * MOST_PER_SECOND
    assert most_in_one_second(line["at"] for line in lines) <= MOST_PER_SECOND


def test_one_beat_per_slot_over_all_engines(servers, start):
    machines = start(engines=3, BEAT_SECONDS="0.5")
    servers.sees(
        lambda: min(len(starts(one, "audiencesync.core.beat.heartbeat")) for one in machines) >= 3,
        seconds=60,
    )
    beats = sorted(
        moment for one in machines for moment in starts(one, "partners.housekeeping.probe")
    )
    slots = (beats[-1] - beats[0]) / 0.5 + 4  # a beat may come late into its slot
    assert slots / 2 <= len(beats) <= slots


def test_a_session_is_that_of_all_webs(start, visitor):
    one, other = start(webs=2)
    visitor.sign_in(one)
    assert [visitor.get(web).status_code for web in (one, other)] == [200, 200]


def test_a_limit_is_that_of_all_webs(servers, start):
    one, other = start(webs=2)
    stranger = Visitor(servers)
    stranger.session.headers["Host"] = urlsplit(
        one.url
    ).netloc  # what everybody types, whichever web answers
    for web in (one, other, one, other, one):
        assert "There is a problem" in stranger.sign_in(web, password="wrong").text
    assert "Too many failed login attempts" in stranger.sign_in(other).text
