"""A receipt tells how the removals stand before the erasure has ended."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Erasure
from canvases import privacy


@pytest.fixture
def page(world, settings, tmp_path, alice, signed_in):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    settings.SYNC = settings.SYNC | {"erasure_rest": 900.0}
    client = signed_in(alice)
    return lambda: client.get(f"/g/{world.app_group.slug}/people/erasures/").content.decode()


def test_places_before_the_end(world, page):
    [ann] = world.people()
    world.enter(world.sync(world.audience("Win back")), [ann])
    world.drain()
    privacy.erase(world.app_group, [ann.pk], asked_by="Alice", now=timezone.now())
    privacy.proceed(now=timezone.now())
    assert "is being removed" in page()
    [told] = privacy.so_far(privacy.receipts(world.app_group))
    assert [place["state"] for place in privacy.receipt(told)["audiences"]] == ["pending"]

    world.drain()
    html = page()
    assert "Win back" in html
    assert "removed" in html
    assert "is being removed" not in html
    assert Erasure.objects.get().state == Erasure.State.REMOVING
