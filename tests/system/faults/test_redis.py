"""F10: Redis refuses our password, or forgets everything. Deliveries go on, pages answer, sessions last.

That it dies under load is shown with several machines in tests/system/machines.
"""

import pytest
from django.core.cache import cache
from django.test import Client

from partners.models import Budget
from scripts import redis_server
from tests.system.faults.lawful import N

pytestmark = pytest.mark.slow
PASSWORD = "only-for-this-test"


@pytest.fixture
def redis(tmp_path, settings):
    """redis(password) -> our cache, with a Redis that asks for PASSWORD."""
    port = redis_server.free_port()
    process = redis_server.start(tmp_path, port=port, password=PASSWORD)

    def connect(password):
        place = f"redis://:{password}@127.0.0.1:{port}/0"
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": place}
        }

    yield connect
    process.kill()
    process.wait()


def _sign_in(browser):
    form = {"login": "alice@example.org", "password": "correct horse battery"}
    return browser.post("/accounts/login/", form)


def test_f10_with_a_wrong_password_people_are_sent_and_pages_say_what_is_missing(
    town, alice, signed_in, redis
):
    redis("wrong")
    browser = signed_in(alice)
    asked = town.sync()
    town.enter(asked, town.people(N))
    town.fault("code", code=49999, count=2)  # an answer that the operator is told of once
    town.settle()
    assert town.counts(asked) == {"entered": N, "synced": N}
    assert browser.get("/g/acme/canvases/").status_code == 200
    refused = _sign_in(Client(raise_request_exception=False))
    assert (refused.status_code, "The cache is not ready" in refused.content.decode()) == (
        503,
        True,
    )
    assert browser.get("/readyz").json()["cache"] == "fail"
    town.judge()


def test_f10_a_redis_that_forgets_everything_takes_nothing_with_it(town, alice, redis):
    redis(PASSWORD)
    browser = Client()
    assert _sign_in(browser).status_code == 302
    asked = town.sync()
    town.enter(asked, town.people(N))
    cache.clear()
    assert browser.get("/g/acme/canvases/").status_code == 200
    town.settle()
    assert town.counts(asked) == {"entered": N, "synced": N}
    assert Budget.objects.exists()
    town.judge()
