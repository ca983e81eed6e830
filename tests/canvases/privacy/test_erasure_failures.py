"""An erasure ends although TikTok is inaccessible for weeks or the ledger cannot be written."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from audiencesync.people.models import ErasedName, Erasure, Profile
from audiencesync.people.privacy import erasure_ledger
from canvases.privacy import erase

pytestmark = pytest.mark.thorough

DAY = timedelta(days=1)


@pytest.fixture
def path(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "volume" / "erasures.jsonl")
    return Path(settings.ERASURE_LEDGER)


@pytest.fixture
def without_access(world, path):
    """A synced person is erased while the token is rejected."""
    people = world.create_people(1)
    world.enter(world.create_sync(), people)
    world.drain()
    world.sandbox.accounts.revoke(world.remote_token)
    erase.erase(world.app_group, [people[0].pk], asked_by="Alice", now=timezone.now())
    erase.proceed(now=timezone.now())
    world.flush(2)


def state_after(days):
    erase.proceed(now=timezone.now() + days * DAY)
    return Erasure.objects.get().state


@pytest.mark.usefixtures("without_access")
@pytest.mark.parametrize(("deadline", "before", "after"), [(30, 30.9, 31.1), (60, 60.9, 61.1)])
def test_hashes_are_kept_one_day_longer_than_removals_are_tried(settings, deadline, before, after):
    settings.SYNC = settings.SYNC | {"erasure_deadline": deadline * 86400.0}
    assert state_after(before) == "removing"
    assert state_after(after) == "done"


@pytest.fixture
def erased(acme, path):
    """A person is erased while the ledger cannot be written."""
    path.parent.touch()  # a file where the folder should be
    person = Profile.objects.create(app_group=acme, external_id="ann")
    erase.erase(acme, [person.pk], asked_by="Alice", now=timezone.now())


@pytest.mark.usefixtures("erased")
def test_an_unwritable_ledger_does_not_stop_the_erasure(path, caplog):
    erase.beat()
    assert Erasure.objects.get().state == "done"
    (line,) = caplog.records
    assert (line.levelno, line.exc_info) == (logging.ERROR, None)
    assert str(path) in line.getMessage()


@pytest.mark.usefixtures("erased")
def test_the_ledger_is_written_when_it_becomes_writable(path):
    erase.beat()
    path.parent.unlink()
    erase.beat()
    (names,) = erasure_ledger.read(path).values()
    assert len(names) == 1
    assert not ErasedName.objects.filter(is_filed=False).exists()
