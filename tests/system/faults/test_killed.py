"""F01 to F03, F19, F25, F26: a worker dies, tasks run three times, eight workers run at once."""

import os
import random
import signal

import pytest
from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from audiencesync.people.models import Profile
from canvases import laws
from partners.models import AdAccount, Batch, Delivery
from partners.tiktok.partner import TikTok
from tests.support.clock import CLOCK, real_sleep
from tests.system.crash.checks import tallies
from tests.system.crash.scene import Scenario
from tests.system.crash.world import LEASE, World, sha256
from tests.system.faults.checked_world import N_PEOPLE

pytestmark = [pytest.mark.slow, pytest.mark.each_database]


def _enter_all(world: World, cap: int | None = None) -> None:
    AdAccount.objects.update(learned_cap=cap)
    world.create_sync("add")
    group = world.group
    Profile.objects.bulk_create(
        Profile(app_group=group, external_id=str(n), email_sha256=sha256(n))
        for n in range(N_PEOPLE)
    )
    world.enter("add", *range(N_PEOPLE))


IN_ONE_REQUEST = Scenario(
    "a thousand people in one request", prepare=_enter_all, interrupted=World.flush, allowed_ends=()
)
IN_TWENTY_REQUESTS = Scenario(
    "a thousand people in twenty requests",
    prepare=lambda world: _enter_all(world, N_PEOPLE // 20),
    interrupted=World.flush,
    allowed_ends=(),
)


class KilledWorker:
    """Kills a worker at a point; another one takes over when the lease has ended."""

    def __init__(self, stage):
        self.stage = stage(IN_ONE_REQUEST)
        self.labels = [point.label for point in self.stage.points()]
        self.before_call = next(
            at for at, label in enumerate(self.labels) if label.startswith("before POST")
        )
        self.end = self.labels.index("after COMMIT", self.before_call)

    def posts_after(self, at):
        """Kill a worker at a point, let another one finish; return how many calls succeeded."""
        stage = self.stage
        stage.snapshot.restore(())
        name = stage.databases.copy(stage.template)
        first = stage.databases.child(name, stage.roles.interrupted_work(at, signal.SIGKILL))
        assert first.wait() == "killed", self.labels[at]
        first.end()
        _finish(stage, name)
        stage.databases.give_back(name)
        return [line.code for line in stage.sandbox.log.all()].count(0)


def _flush_with_a_long_lease(world: World) -> None:
    # A busy machine may need longer than the short lease of the crash tests.
    settings.SYNC = settings.SYNC | {"lease": 30.0}
    # Wait in real time: moving the shared clock would end the lease of a worker during its call.
    world.flush(seconds=20, wait=lambda _seconds: real_sleep(0.025))


def _flush_and_report(world: World) -> dict:
    """Flush, then return broken laws, counts and open leases."""
    world.flush(seconds=15)
    return {
        "laws": laws.broken(now=timezone.now()),
        "counts": tallies(),
        "leases": Batch.objects.exclude(lease="").count(),
    }


def _finish(stage, name):
    """Flush with another worker; assert that each person is a member and counted once."""
    second = stage.databases.child(name, lambda _send: _flush_and_report(stage.roles.world))
    assert (second.wait(), second.reports("error")) == ("ended", [])
    second.end()
    assert second.reports("result") == [
        {"laws": [], "counts": {"add": {"entered": N_PEOPLE, "synced": N_PEOPLE}}, "leases": 0}
    ]
    members = {
        digest
        for _schema, digest in stage.sandbox.audiences.member_ids(stage.remote.audiences["winback"])
    }
    assert members == {sha256(n).hex() for n in range(N_PEOPLE)}


@pytest.fixture
def worker(stage):
    return KilledWorker(stage)


def test_f01_a_worker_killed_before_the_call_leads_to_one_call(worker):
    assert worker.posts_after(worker.before_call) == 1


def test_f02_a_worker_killed_between_call_and_commit_leads_to_two_calls_counted_once(worker):
    points = range(worker.before_call + 1, worker.end)
    assert len(points) >= 5
    assert {at: worker.posts_after(at) for at in points} == dict.fromkeys(points, 2)


def test_f03_a_worker_killed_after_the_commit_leads_to_one_call(worker):
    assert worker.posts_after(worker.end) == 1


def test_f26_eight_workers_at_once_send_each_person_once(stage):
    ready = stage(IN_TWENTY_REQUESTS)
    name = ready.databases.copy(ready.template)
    workers = [
        ready.databases.child(name, ready.roles.with_world(_flush_with_a_long_lease))
        for _ in range(8)
    ]
    assert [(worker.wait(), worker.reports("error")) for worker in workers] == [("ended", [])] * 8
    _finish(ready, name)
    people_sent = [line.people for line in ready.sandbox.log.all() if line.code == 0]
    for worker in workers:
        worker.end()
    ready.databases.give_back(name)
    assert (len(people_sent), sum(people_sent)) == (20, N_PEOPLE)


def test_f25_tasks_that_run_three_times_in_any_order_send_once(world, live_step):
    tasks = [import_string(function) for _seconds, function in settings.BEATS.values()] * 3
    order = random.Random(25)
    for _ in range(3):
        order.shuffle(tasks)
        for task in tasks:
            task()
            world.check_laws()
    assert world.counts(live_step.sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    assert world.codes() == [0]
    world.check_at_rest()


def _flush_with_poison(world: World, person: int) -> None:
    """Flush, but die when the person's hash is packed, like after a crash in a library (poison)."""
    build = TikTok.build_call

    def dying(self, ad_account_id, action, kinds, cells):
        if any(sha256(person) in row for cell in cells for row in cell.rows):
            os.kill(os.getpid(), signal.SIGKILL)
        return build(self, ad_account_id, action, kinds, cells)

    TikTok.build_call = dying
    world.flush()


def test_f19_a_profile_that_kills_workers_is_isolated_and_errored(stage):
    ready = stage(IN_ONE_REQUEST)
    name = ready.databases.copy(ready.template)
    states = []  # the states in which the workers ended
    while len(states) < 60 and states[-1:] != ["ended"]:
        worker = ready.databases.child(
            name, lambda _send: _flush_with_poison(ready.roles.world, 537)
        )
        states.append(worker.wait())
        worker.end()
        CLOCK.wait(LEASE)
    reader = ready.databases.child(
        name, lambda _send: [tallies(), laws.broken(now=timezone.now()), _errored_people()]
    )
    assert (reader.wait(), reader.reports("error")) == ("ended", [])
    reader.end()
    ready.databases.give_back(name)
    assert reader.reports("result") == [
        [
            {"add": {"entered": N_PEOPLE, "errored": 1, "synced": N_PEOPLE - 1}},
            [],
            [["537", "internal"]],
        ]
    ]
    assert states[-1] == "ended"
    assert states.count("killed") <= 3 + 10 + 4  # before the first split; splits of 1,000; alone


def _errored_people():
    rows = Delivery.objects.filter(batch__state="errored", outcome=None)
    return list(rows.values_list("profile__external_id", "batch__last_code"))
