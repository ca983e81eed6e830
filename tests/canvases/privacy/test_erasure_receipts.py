"""A receipt shows the progress of the removals before the erasure has ended."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Erasure
from canvases.privacy import erase


@pytest.fixture
def page(world, settings, tmp_path, alice, signed_in):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    settings.SYNC = settings.SYNC | {"erasure_rest": 900.0}
    client = signed_in(alice)
    return lambda: client.get(f"/g/{world.app_group.slug}/people/erasures/").content.decode()


def test_a_receipt_shows_open_and_finished_removals(world, page):
    [person] = world.create_people()
    world.enter(world.create_sync(world.create_audience("Win back")), [person])
    world.drain()
    erase.erase(world.app_group, [person.pk], asked_by="Alice", now=timezone.now())
    erase.proceed(now=timezone.now())
    assert "is being removed" in page()
    [erasure] = erase.with_current_places(erase.receipts(world.app_group))
    assert [place["state"] for place in erase.receipt(erasure)["audiences"]] == ["pending"]

    world.drain()
    html = page()
    assert "Win back" in html
    assert "removed" in html
    assert "is being removed" not in html
    assert Erasure.objects.get().state == Erasure.State.REMOVING
