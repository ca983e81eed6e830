"""Token probes without an answer occupy only one worker, and for a bounded time."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.groups.models import AppGroup
from partners import housekeeping
from partners.models import AdAccount, Audience, Connection, Sync
from tests.support.queue_world import FAST

pytestmark = pytest.mark.thorough

DEADLINE, BOUND = 2.0, 0.3  # seconds: for one probe; after which a run begins no other one


@pytest.fixture
def hanging_world(world):
    """Five tokens in use by five groups; the partner accepts connections and never answers."""
    for n in range(5):
        group = AppGroup.objects.create(name=f"g{n}", slug=f"g{n}")
        connection = Connection(partner="tiktok", app_group=group)
        connection.set_token(world.remote_token)
        connection.save()
        account = AdAccount.objects.create(connection=connection, remote_id=f"7{n}", name="x")
        audience = Audience.objects.create(ad_account=account, remote_id="1", name="x")
        step = {"action": "add", "kinds": ["email"], "label": "x", "url": "/"}
        Sync.objects.create(app_group=group, audience=audience, is_live=True, **step)
    world.sandbox.faults.set("slow", endpoint="user/info", seconds=60.0)
    return world


def test_a_probe_run_ends_within_its_bound_when_every_probe_hangs(hanging_world, settings):
    settings.SYNC = settings.SYNC | {"request_deadline": DEADLINE, "flush_seconds": BOUND}
    started_at = time.monotonic()
    housekeeping.probe()
    assert time.monotonic() - started_at < 5 * DEADLINE
    assert Connection.objects.exclude(probed_at=None).count() == 1


def test_no_second_probe_starts_while_one_is_open(hanging_world):
    Connection.objects.filter(app_group__slug="g0").update(probed_at=timezone.now())
    housekeeping.probe()
    assert Connection.objects.exclude(probed_at=None).count() == 1


def test_other_tokens_are_probed_after_the_deadline_of_an_open_probe(hanging_world, settings):
    settings.SYNC = settings.SYNC | {"flush_seconds": 60.0}
    hanging_world.sandbox.faults.clear()
    open_since = timezone.now() - timedelta(seconds=FAST["request_deadline"])
    Connection.objects.filter(app_group__slug="g0").update(probed_at=open_since)
    housekeeping.probe()
    others = Connection.objects.exclude(app_group__slug__in=["acme", "g0"])
    assert [row.checked_at is not None for row in others] == [True] * 4
