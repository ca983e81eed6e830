"""F44: TOKEN_KEYS is not the ring that sealed the tokens. Nothing is sent, nobody is lost, people are told what to do."""

import pytest
from django.urls import reverse

from audiencesync import crypto
from partners import housekeeping
from partners.models import Connection

WORDS = "no longer accepts our access: "  # the banner; the page's questions end otherwise


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


def test_the_pages_say_what_to_do(waiting, alice, signed_in):
    browser, address = signed_in(alice), reverse("partner", args=["acme", "tiktok"])
    assert WORDS not in browser.get(address).content.decode()
    housekeeping.probe()
    answer = browser.get(address)
    assert answer.status_code == 200
    assert WORDS in answer.content.decode()


def test_the_installation_is_not_ready(waiting, client, settings):
    assert readiness(client) == (503, "fail")
    settings.TOKEN_KEYS = waiting.old_keys
    assert readiness(client)[1] == "ok"


def test_one_token_that_does_not_open_does_not_take_the_site_away(town, other_group, client):
    Connection.objects.create(app_group=other_group, token_sealed="v1.gone.AAAA.AAAA")
    assert readiness(client)[1] == "ok"


def test_with_the_right_keys_everybody_is_sent(waiting, settings):
    waiting.beats(0.5)
    housekeeping.probe()
    settings.TOKEN_KEYS = waiting.old_keys
    Connection.objects.update(probed_at=None, parked_until=None)
    housekeeping.probe()
    waiting.settle()
    assert waiting.counts(waiting.asked) == {"entered": 1000, "synced": 1000}
    waiting.judge()
