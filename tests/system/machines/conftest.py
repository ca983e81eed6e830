"""Two webs and three engines, and helps to look at them."""

import pytest
import requests

from tests.system.machines.town import town

PEOPLE = 600


@pytest.fixture(scope="module")
def servers():
    """What the machines share; 600 people."""
    with town(PEOPLE) as one:
        yield one


@pytest.fixture
def start(servers):
    """start(webs=2, engines=3, **settings): that many machines, running; all are stopped at the end."""

    def machines(*, webs=0, engines=0, **settings):
        found = [servers.machine() for _ in range(max(webs, engines))]
        for one in found[:webs]:
            one.env |= {"SITE_URL": found[0].url}  # what everybody types; a proxy stands there
            one.start_web()
        for one in found[:engines]:
            one.start_engine(**settings)
        for one in found[:webs]:
            one.await_answer("web", f"{one.url}/healthz")
        for one in found[:engines]:
            servers.sees(
                lambda one=one: any("heartbeat" in line["message"] for line in one.log_lines()),
                seconds=30,
            )
        return found

    yield machines
    for one in servers.machines[1:]:  # the first is the sandbox
        one.lose_power()


class Visitor:
    """One browser: signs in once, then is answered by whichever web is asked."""

    def __init__(self, servers):
        self.session = requests.Session()
        self.password = servers.told.partition("with the password ")[2].split()[0]

    def sign_in(self, web, *, password=None):
        token = self.session.get(f"{web.url}/accounts/login/", timeout=10).text
        token = token.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        form = {
            "login": "demo@example.org",
            "password": password or self.password,
            "csrfmiddlewaretoken": token,
        }
        return self.session.post(f"{web.url}/accounts/login/", data=form, timeout=10)

    def get(self, web, path="/g/acme/canvases/"):
        return self.session.get(f"{web.url}{path}", timeout=10, allow_redirects=False)


@pytest.fixture
def visitor(servers):
    return Visitor(servers)
