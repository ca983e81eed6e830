"""F44: TOKEN_KEYS is not the ring that sealed the tokens. Nothing is sent, nobody is lost, people are told what to do."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from audiencesync.core import crypto
from partners import housekeeping
from partners.models import Batch, Connection
from partners.queue import flush

WORDS = "(TOKEN_KEYS) cannot open its access to TikTok"


@pytest.fixture
def waiting(town, settings):
    """A thousand people wait, and the keys have changed."""
    asked = town.sync()
    town.enter(asked, town.people(1000))
    town.old_keys, settings.TOKEN_KEYS = settings.TOKEN_KEYS, [crypto.new_key("test")]
    town.asked = asked
    return town


def readiness(client):
    answer = client.get("/readyz")
    return answer.status_code, answer.json()["tokens"]


def test_no_request_is_sent_and_people_wait(waiting):
    waiting.beats(1)
    assert waiting.mappings() == []
    assert waiting.counts(waiting.asked) == {"entered": 1000, "pending": 1000}
    waiting.judge()


def test_no_endpoint_hears_the_sealed_token(waiting):
    sealed = Connection.objects.get().token_sealed
    housekeeping.probe()
    waiting.beats(0.3)
    assert [line for line in waiting.sandbox.log.all() if line.code == 40105] == []
    assert waiting.sandbox.log.all() == []
    assert Connection.objects.get().token_sealed == sealed


def test_the_pages_say_what_to_do(waiting, alice, signed_in, settings):
    browser, address = signed_in(alice), reverse("partner", args=["acme", "tiktok"])
    answer = browser.get(address)
    assert answer.status_code == 200
    assert WORDS in answer.content.decode()
    assert "Otherwise 1,000 people count as errored." in answer.content.decode()
    settings.TOKEN_KEYS = waiting.old_keys
    assert WORDS not in browser.get(address).content.decode()


def test_the_installation_is_not_ready(waiting, client, settings):
    assert readiness(client) == (503, "fail")
    settings.TOKEN_KEYS = waiting.old_keys
    assert readiness(client)[1] == "ok"


def test_one_token_that_does_not_open_does_not_take_the_site_away(town, other_group, client):
    Connection.objects.create(
        partner="tiktok", app_group=other_group, token_sealed="v1.gone.AAAA.AAAA"
    )
    assert readiness(client)[1] == "ok"


def test_a_machine_without_the_key_parks_nothing_for_the_others(waiting, settings, caplog):
    waiting.beats(0.5)
    housekeeping.probe()
    assert Connection.objects.get().parked_by == ""
    assert "TOKEN_KEYS of the machine" in caplog.text
    settings.TOKEN_KEYS = (
        waiting.old_keys
    )  # another machine, at once: nothing waits for a probe or a back-off
    flush.Flush(seconds=5).run()
    assert waiting.counts(waiting.asked) == {"entered": 1000, "synced": 1000}


def test_where_no_machine_has_the_key_people_are_errored_in_the_end(waiting):
    waiting.beats(0.3)
    assert not Batch.objects.filter(deadline_at=None).exists()
    flush.watch_blocked(now=timezone.now() + timedelta(hours=14))
    assert waiting.counts(waiting.asked) == {"entered": 1000, "errored": 1000}
    assert set(Batch.objects.values_list("last_code", flat=True)) == {"sealed"}


def test_with_the_right_keys_everybody_is_sent(waiting, settings):
    waiting.beats(0.5)
    housekeeping.probe()
    settings.TOKEN_KEYS = waiting.old_keys
    Connection.objects.update(probed_at=None, parked_until=None)
    housekeeping.probe()
    waiting.settle()
    assert waiting.counts(waiting.asked) == {"entered": 1000, "synced": 1000}
    waiting.judge()
