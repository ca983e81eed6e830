"""F42, F43: alarms that never ring (the queue's tasks are lost or signed with an old key) delay nobody for long."""

import pytest
import requests
from django_q.brokers import get_broker

from tests.system.faults.live import crowd

pytestmark = pytest.mark.slow
NEW = "a-new-key-for-tests-but-long-enough-to-be-one-0123456789-abcdefghij"


def alarms():
    """How many tasks wait in the queue."""
    return get_broker().queue_size()


def lose_alarms():
    """All of them."""
    get_broker().purge_queue()


def page(one):
    """What somebody sees who was signed in with the old key."""
    address, cookies = f"{one.url}/g/acme/canvases/", {"sessionid": one.facts["session"]}
    return requests.get(address, cookies=cookies, allow_redirects=False, timeout=30)


def test_a_new_secret_key_drops_tasks_and_sessions_but_nobody_on_the_way(site):
    one = site(SECRET_KEY=NEW)
    one.do(crowd.launch)
    assert one.do(alarms) > 0
    one.start("web", "engine")
    assert one.rest() == {"entered": 1000, "synced": 1000}
    assert "/accounts/login/" in page(one).headers["Location"]
    one.judge()


def test_with_the_old_key_as_a_fallback_everybody_stays_signed_in(site, settings):
    one = site(10, SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=settings.SECRET_KEY)
    one.start("web")
    assert page(one).status_code == 200


def test_lost_alarms_are_made_up_for_by_the_beat(site):
    one = site()
    one.do(crowd.launch)
    one.do(lose_alarms)
    one.start("engine")
    one.rest()
    one.do(crowd.people, 1000, 1000)
    one.do(crowd.launch)
    one.do(lose_alarms)
    assert one.rest() == {"entered": 2000, "synced": 2000}
    one.judge()
