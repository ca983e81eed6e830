"""F10: deliveries, pages and sessions survive a Redis that refuses the password or loses its data.

tests/system/machines kills Redis under load.
"""

import pytest
from django.core.cache import cache
from django.test import Client

from partners.models import Budget
from scripts import ports, redis_server
from tests.system.faults.checked_world import N_PEOPLE

pytestmark = pytest.mark.slow
PASSWORD = "only-for-this-test"


@pytest.fixture
def use_redis(tmp_path, settings):
    """use_redis(password) uses a Redis as the cache. The Redis accepts only PASSWORD."""
    port = ports.free_port()
    process = redis_server.start(tmp_path, port=port, password=PASSWORD)

    def connect(password):
        address = f"redis://:{password}@127.0.0.1:{port}/0"
        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": address,
            }
        }

    yield connect
    process.kill()
    process.wait()


def _sign_in(browser):
    form = {"login": "alice@example.org", "password": "correct horse battery"}
    return browser.post("/accounts/login/", form)


def test_f10_with_a_wrong_password_people_are_sent_and_pages_name_the_cache(
    world, alice, signed_in, use_redis
):
    use_redis("wrong")
    browser = signed_in(alice)
    to_sync = world.create_sync()
    world.enter(to_sync, world.create_people(N_PEOPLE))
    world.set_fault("code", code=49999, count=2)  # an unknown code: the operator gets one mail
    world.drain()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    assert browser.get("/g/acme/canvases/").status_code == 200
    answer = _sign_in(Client(raise_request_exception=False))
    assert (answer.status_code, "The cache is not ready" in answer.content.decode()) == (
        503,
        True,
    )
    assert browser.get("/readyz").json()["cache"] == "fail"
    world.check_at_rest()


def test_f10_a_redis_that_loses_its_data_loses_no_people_and_no_session(world, alice, use_redis):
    use_redis(PASSWORD)
    browser = Client()
    assert _sign_in(browser).status_code == 302
    to_sync = world.create_sync()
    world.enter(to_sync, world.create_people(N_PEOPLE))
    cache.clear()
    assert browser.get("/g/acme/canvases/").status_code == 200
    world.drain()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    assert Budget.objects.exists()
    world.check_at_rest()
