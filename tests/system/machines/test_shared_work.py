"""Three engines and two webs share lanes, request budget, beat slots, sessions and rate limits."""

from urllib.parse import urlsplit

import pytest

from tests.system.machines.conftest import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.machines]
RATE = "20"  # requests per second of all engines; three separate budgets would send 60
MAX_PER_SECOND = 50  # the limit of the sandbox, as at TikTok
# Store a row for each claim of a slot of the job "probes", even for a second claim of a slot.
KEEP_CLAIMS_SQL = """
CREATE TABLE claims (slot bigint);
CREATE FUNCTION keep_claim() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO claims VALUES (NEW.slot); RETURN NULL; END$$;
CREATE TRIGGER keep_claim AFTER INSERT OR UPDATE ON groups_beatslot
    FOR EACH ROW WHEN (NEW.name = 'probes') EXECUTE FUNCTION keep_claim();
"""


def count_starts(machine, function):
    """Return how often a machine's engine started a task."""
    return sum(
        " processing " in line["message"] and f"'{function}'" in line["message"]
        for line in machine.log_lines()
    )


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
    cluster.database.execute(KEEP_CLAIMS_SQL)
    machines = start_machines(engines=3, BEAT_SECONDS="0.5")

    def count_probes():
        return sum(count_starts(machine, "partners.housekeeping.probe") for machine in machines)

    def all_are_at_work():
        beats = [count_starts(machine, "audiencesync.core.beat.heartbeat") for machine in machines]
        return min(beats) >= 3 and count_probes() >= 20

    cluster.wait_until(all_are_at_work, seconds=180)
    n_probes = count_probes()  # before the claims are read: the engines go on
    slots = [slot for (slot,) in cluster.database.execute("SELECT slot FROM claims")]
    assert len(set(slots)) == len(slots)
    assert n_probes <= len(slots)


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
