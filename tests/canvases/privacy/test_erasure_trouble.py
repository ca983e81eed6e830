"""An erasure that cannot go on: no access to TikTok for weeks, no room on the disk for the ledger."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from audiencesync.people.models import ErasedName, Erasure, Profile
from audiencesync.people.privacy import erasure_ledger
from canvases.privacy import erase

DAY = timedelta(days=1)


@pytest.fixture
def path(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "volume" / "erasures.jsonl")
    return Path(settings.ERASURE_LEDGER)


@pytest.fixture
def locked_out(world, path):
    """Somebody who was synced is erased, and the token is refused."""
    people = world.people(1)
    world.enter(world.sync(), people)
    world.drain()
    world.sandbox.accounts.revoke(world.remote_token)
    erase.erase(world.app_group, [people[0].pk], asked_by="Alice", now=timezone.now())
    erase.proceed(now=timezone.now())
    world.flush(2)


def state_after(days):
    erase.proceed(now=timezone.now() + days * DAY)
    return Erasure.objects.get().state


@pytest.mark.usefixtures("locked_out")
@pytest.mark.parametrize(("deadline", "before", "after"), [(30, 30.9, 31.1), (60, 60.9, 61.1)])
def test_the_hashes_are_kept_for_a_day_longer_than_removals_are_tried(
    settings, deadline, before, after
):
    settings.SYNC = settings.SYNC | {"erasure_deadline": deadline * 86400.0}
    assert state_after(before) == "removing"
    assert state_after(after) == "done"


@pytest.fixture
def erased(acme, path):
    """Somebody is erased while the place of the ledger cannot be written."""
    path.parent.touch()  # a file where the folder should be
    person = Profile.objects.create(app_group=acme, external_id="ann")
    erase.erase(acme, [person.pk], asked_by="Alice", now=timezone.now())


@pytest.mark.usefixtures("erased")
def test_without_room_for_the_ledger_the_erasure_goes_on(path, caplog):
    erase.beat()
    assert Erasure.objects.get().state == "done"
    (line,) = caplog.records
    assert (line.levelno, line.exc_info) == (logging.ERROR, None)
    assert str(path) in line.getMessage()


@pytest.mark.usefixtures("erased")
def test_the_ledger_is_written_once_there_is_room(path):
    erase.beat()
    path.parent.unlink()
    erase.beat()
    (names,) = erasure_ledger.read(path).values()
    assert len(names) == 1
    assert not ErasedName.objects.filter(is_filed=False).exists()
