"""Without Redis answers are settled and audiences are read."""

import pytest
from django.utils import timezone

from partners.audiences import listing
from partners.models import Push


@pytest.fixture(autouse=True)
def _no_redis(world, settings):
    away = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": "redis://127.0.0.1:9",
    }
    settings.CACHES = {"default": away}


def test_an_unknown_answer_is_settled_and_logged(world, caplog):
    sync_row = world.create_sync()
    world.set_fault("code", code=98765, count=1)
    world.enter(sync_row, world.create_people(2))
    world.flush()
    assert Push.objects.order_by("pk").first().code == "98765"
    assert "unknown code 98765" in caplog.text
    world.drain()
    assert world.counts(sync_row) == {"entered": 2, "synced": 2}


def test_audiences_are_refreshed(world):
    assert listing.refresh(world.eu, now=timezone.now())
    assert world.eu.audiences.exclude(remote_id="").exists()
