"""F01 to F03, F19, F25, F26: a worker dies, tasks come three times in any order, eight workers work at once."""

import os
import random
import signal
import time

import pytest
from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from audiencesync.people.models import Profile
from canvases import laws
from partners.models import AdAccount, Batch, Delivery
from partners.tiktok.partner import TikTok
from tests.system.crash.checks import tallies
from tests.system.crash.scene import Scenario
from tests.system.crash.world import LEASE, World, sha256
from tests.system.faults.lawful import N

pytestmark = pytest.mark.slow


def _before(world: World, most: int | None = None) -> None:
    AdAccount.objects.update(learned_cap=most)
    world.sync("add")
    group = world.group
    Profile.objects.bulk_create(
        Profile(app_group=group, external_id=str(n), email_sha256=sha256(n)) for n in range(N)
    )
    world.enter("add", *range(N))


SENT = Scenario("a thousand are sent", prepare=_before, act=World.flush, ends=())
IN_PIECES = Scenario(
    "in twenty pieces", prepare=lambda world: _before(world, N // 20), act=World.flush, ends=()
)


class Worker:
    """A worker that is killed, and one that comes after the lease of the first."""

    def __init__(self, stage):
        self.stage = stage(SENT)
        self.labels = [point.label for point in self.stage.points()]
        self.before_call = next(
            at for at, label in enumerate(self.labels) if label.startswith("before POST")
        )
        self.end = self.labels.index("after COMMIT", self.before_call)

    def posts_after(self, at):
        """How many calls the partner took in all, when the first worker died there and all is well in the end."""
        stage = self.stage
        stage.snapshot.restore(())
        name = stage.databases.copy(stage.template)
        first = stage.databases.child(name, stage.roles.acting(at, signal.SIGKILL))
        assert first.wait() == "killed", self.labels[at]
        first.end()
        _all_arrived(stage, name)
        stage.databases.give_back(name)
        return [line.code for line in stage.sandbox.log.all()].count(0)


def _flush_calmly(world: World) -> None:
    """With a lease that outlives a busy machine."""
    settings.SYNC = settings.SYNC | {"lease": 30.0}
    world.flush(seconds=20, wait=lambda _seconds: time.sleep(0.025))


def _go_on(world: World) -> dict:
    """What another worker finds in the end."""
    world.flush(seconds=15)
    return {
        "laws": laws.broken(now=timezone.now()),
        "counts": tallies(),
        "leases": Batch.objects.exclude(lease="").count(),
    }


def _all_arrived(stage, name):
    """Another worker goes on; then the laws hold and everybody is at the partner, counted once."""
    second = stage.databases.child(name, lambda _tell: _go_on(stage.roles.world()))
    assert (second.wait(), second.said("error")) == ("ended", [])
    second.end()
    assert second.said("result") == [
        {"laws": [], "counts": {"add": {"entered": N, "synced": N}}, "leases": 0}
    ]
    there = {
        digest
        for _schema, digest in stage.sandbox.audiences.listed(stage.remote.audiences["winback"])
    }
    assert there == {sha256(n).hex() for n in range(N)}


@pytest.fixture
def worker(stage):
    return Worker(stage)


def test_f01_killed_before_the_call_it_is_made_once(worker):
    assert worker.posts_after(worker.before_call) == 1


def test_f02_killed_between_the_call_and_its_commit_it_is_made_twice_and_counted_once(worker):
    points = range(worker.before_call + 1, worker.end)
    assert len(points) >= 5
    assert {at: worker.posts_after(at) for at in points} == dict.fromkeys(points, 2)


def test_f03_killed_after_the_commit_it_is_made_once(worker):
    assert worker.posts_after(worker.end) == 1


def test_f26_eight_workers_at_once_send_each_person_once(stage):
    ready = stage(IN_PIECES)
    name = ready.databases.copy(ready.template)
    workers = [ready.databases.child(name, ready.roles.with_world(_flush_calmly)) for _ in range(8)]
    assert [(worker.wait(), worker.said("error")) for worker in workers] == [("ended", [])] * 8
    _all_arrived(ready, name)
    sent = [line.people for line in ready.sandbox.log.all() if line.code == 0]
    for worker in workers:
        worker.end()
    ready.databases.give_back(name)
    assert (len(sent), sum(sent)) == (20, N)


def test_f25_every_task_three_times_in_any_order_is_as_once(town, live):
    tasks = [import_string(function) for _seconds, function in settings.BEATS.values()] * 3
    order = random.Random(25)  # noqa: S311 - the same order each time
    for _ in range(3):
        order.shuffle(tasks)
        for task in tasks:
            task()
            town.look()
    assert town.counts(live.sync) == {"entered": N, "synced": N}
    assert town.codes() == [0]
    town.judge()


def _deadly(world: World, person: int) -> None:
    """A worker that cannot bear somebody's data: it dies of them at once, as when a library crashes."""
    build = TikTok.build_call

    def dying(self, ad_account_id, action, kinds, cells):
        if any(sha256(person) in row for cell in cells for row in cell.rows):
            os.kill(os.getpid(), signal.SIGKILL)
        return build(self, ad_account_id, action, kinds, cells)

    TikTok.build_call = dying
    world.flush()


def test_f19_a_person_who_kills_workers_is_found_and_errored_alone(stage):
    ready = stage(SENT)
    name = ready.databases.copy(ready.template)
    ends = []
    while len(ends) < 60 and ends[-1:] != ["ended"]:
        worker = ready.databases.child(name, lambda _tell: _deadly(ready.roles.world(), 537))
        ends.append(worker.wait())
        worker.end()
        time.sleep(LEASE)
    found = ready.databases.child(
        name, lambda _tell: [tallies(), laws.broken(now=timezone.now()), _errored()]
    )
    assert (found.wait(), found.said("error")) == ("ended", [])
    found.end()
    ready.databases.give_back(name)
    assert found.said("result") == [
        [{"add": {"entered": N, "errored": 1, "synced": N - 1}}, [], [["537", "internal"]]]
    ]
    assert ends[-1] == "ended"
    assert ends.count("killed") <= 3 + 10 + 4  # until it is halved; halving 1,000; alone


def _errored():
    rows = Delivery.objects.filter(batch__state="errored", outcome=None)
    return list(rows.values_list("profile__external_id", "batch__last_code"))
