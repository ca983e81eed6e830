"""F42, F43: lost tasks, or tasks signed with an old key, delay people only until the next beat."""

import pytest
import requests
from django_q.brokers import get_broker

from tests.system.faults.live import crowd

pytestmark = pytest.mark.slow
NEW_KEY = "a-new-key-for-tests-but-long-enough-to-be-one-0123456789-abcdefghij"


def count_tasks():
    """Return the number of tasks in the queue."""
    return get_broker().queue_size()


def purge_tasks():
    """Remove all tasks from the queue."""
    get_broker().purge_queue()


def get_page(site):
    """Return the response to a session whose cookie was signed with the old key."""
    address, cookies = f"{site.url}/g/acme/canvases/", {"sessionid": site.facts["session"]}
    return requests.get(address, cookies=cookies, allow_redirects=False, timeout=120)


def test_a_new_secret_key_invalidates_tasks_and_sessions_but_loses_no_people(make_site):
    site = make_site(SECRET_KEY=NEW_KEY)
    site.do(crowd.launch)
    assert site.do(count_tasks) > 0
    site.start("web", "engine")
    assert site.await_rest() == {"entered": 1000, "synced": 1000}
    assert "/accounts/login/" in get_page(site).headers["Location"]
    site.check_at_rest()


def test_with_the_old_key_as_a_fallback_users_stay_signed_in(make_site, settings):
    site = make_site(10, SECRET_KEY=NEW_KEY, SECRET_KEY_FALLBACKS=settings.SECRET_KEY)
    site.start("web")
    assert get_page(site).status_code == 200


def test_the_beat_replaces_lost_tasks(make_site):
    site = make_site()
    site.do(crowd.launch)
    site.do(purge_tasks)
    site.start("engine")
    site.await_rest()
    site.do(crowd.add_people, 1000, 1000)
    site.do(crowd.launch)
    site.do(purge_tasks)
    assert site.await_rest() == {"entered": 2000, "synced": 2000}
    site.check_at_rest()
