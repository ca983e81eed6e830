"""F44: if TOKEN_KEYS cannot decrypt the tokens, nothing is sent or lost, and messages say why."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from audiencesync.core import crypto
from partners import housekeeping
from partners.models import Batch, Connection
from partners.queue import flush

pytestmark = pytest.mark.thorough

SEALED_TEXT = "(TOKEN_KEYS) cannot open its access to TikTok"


@pytest.fixture
def world_with_new_keys(world, settings):
    """Return a world with a thousand pending people and changed keys."""
    to_sync = world.create_sync()
    world.enter(to_sync, world.create_people(1000))
    world.old_keys, settings.TOKEN_KEYS = settings.TOKEN_KEYS, [crypto.new_key("test")]
    world.to_sync = to_sync
    return world


def readiness(client):
    answer = client.get("/readyz")
    return answer.status_code, answer.json()["tokens"]


def test_no_request_is_sent_and_people_wait(world_with_new_keys):
    world_with_new_keys.beat_for(1)
    assert world_with_new_keys.mappings() == []
    assert world_with_new_keys.counts(world_with_new_keys.to_sync) == {
        "entered": 1000,
        "pending": 1000,
    }
    world_with_new_keys.check_at_rest()


def test_the_sealed_token_is_sent_to_no_endpoint(world_with_new_keys):
    sealed = Connection.objects.get().token_sealed
    housekeeping.probe()
    world_with_new_keys.beat_for(0.3)
    assert world_with_new_keys.sandbox.log.all() == []
    assert Connection.objects.get().token_sealed == sealed


def test_the_partner_page_explains_the_missing_key(world_with_new_keys, alice, signed_in, settings):
    browser, address = signed_in(alice), reverse("partner", args=["acme", "tiktok"])
    answer = browser.get(address)
    assert answer.status_code == 200
    assert SEALED_TEXT in answer.content.decode()
    assert "Otherwise 1,000 people count as errored." in answer.content.decode()
    settings.TOKEN_KEYS = world_with_new_keys.old_keys
    assert SEALED_TEXT not in browser.get(address).content.decode()


def test_the_installation_is_not_ready(world_with_new_keys, client, settings):
    assert readiness(client) == (503, "fail")
    settings.TOKEN_KEYS = world_with_new_keys.old_keys
    assert readiness(client)[1] == "ok"


def test_the_installation_is_ready_when_only_some_tokens_cannot_be_opened(
    world, other_group, client
):
    Connection.objects.create(
        partner="tiktok", app_group=other_group, token_sealed="v1.gone.AAAA.AAAA"
    )
    assert readiness(client)[1] == "ok"


def test_a_machine_without_the_key_parks_nothing_for_the_others(
    world_with_new_keys, settings, caplog
):
    world_with_new_keys.beat_for(0.5)
    housekeeping.probe()
    assert Connection.objects.get().parked_by == ""
    assert "TOKEN_KEYS of the machine" in caplog.text
    # Another machine sends at once: no probe and no back-off delays it.
    settings.TOKEN_KEYS = world_with_new_keys.old_keys
    flush.Flush(seconds=60).run()
    assert world_with_new_keys.counts(world_with_new_keys.to_sync) == {
        "entered": 1000,
        "synced": 1000,
    }


def test_people_are_errored_at_their_deadline_when_no_machine_has_the_key(world_with_new_keys):
    world_with_new_keys.beat_for(0.3)
    assert not Batch.objects.filter(deadline_at=None).exists()
    flush.age_blocked(now=timezone.now() + timedelta(hours=14))
    assert world_with_new_keys.counts(world_with_new_keys.to_sync) == {
        "entered": 1000,
        "errored": 1000,
    }
    assert set(Batch.objects.values_list("last_code", flat=True)) == {"sealed"}


def test_people_are_sent_once_the_right_keys_are_back(world_with_new_keys, settings):
    world_with_new_keys.beat_for(0.5)
    housekeeping.probe()
    settings.TOKEN_KEYS = world_with_new_keys.old_keys
    Connection.objects.update(probed_at=None, parked_until=None)
    housekeeping.probe()
    world_with_new_keys.drain()
    assert world_with_new_keys.counts(world_with_new_keys.to_sync) == {
        "entered": 1000,
        "synced": 1000,
    }
    world_with_new_keys.check_at_rest()
