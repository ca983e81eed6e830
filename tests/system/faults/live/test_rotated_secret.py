"""F42, F43: lost tasks, or tasks signed with an old key, delay people only until the next beat."""

import pytest
import requests
from django_q.brokers import get_broker

from tests.system.faults.live import crowd

pytestmark = pytest.mark.slow
NEW = "a-new-key-for-tests-but-long-enough-to-be-one-0123456789-abcdefghij"


def n_tasks():
    """Return the number of tasks in the queue."""
    return get_broker().queue_size()


def purge_tasks():
    """Remove all tasks from the queue."""
    get_broker().purge_queue()


def page(one):
    """Return the response to a session that was signed with the old key."""
    address, cookies = f"{one.url}/g/acme/canvases/", {"sessionid": one.facts["session"]}
    return requests.get(address, cookies=cookies, allow_redirects=False, timeout=120)


def test_a_new_secret_key_invalidates_tasks_and_sessions_but_loses_no_people(site):
    one = site(SECRET_KEY=NEW)
    one.do(crowd.launch)
    assert one.do(n_tasks) > 0
    one.start("web", "engine")
    assert one.rest() == {"entered": 1000, "synced": 1000}
    assert "/accounts/login/" in page(one).headers["Location"]
    one.check_at_rest()


def test_with_the_old_key_as_a_fallback_users_stay_signed_in(site, settings):
    one = site(10, SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=settings.SECRET_KEY)
    one.start("web")
    assert page(one).status_code == 200


def test_the_beat_replaces_lost_tasks(site):
    one = site()
    one.do(crowd.launch)
    one.do(purge_tasks)
    one.start("engine")
    one.rest()
    one.do(crowd.add_people, 1000, 1000)
    one.do(crowd.launch)
    one.do(purge_tasks)
    assert one.rest() == {"entered": 2000, "synced": 2000}
    one.check_at_rest()
