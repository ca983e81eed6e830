"""A cluster for each test file, and machines that stop after each test."""

import pytest
import requests

from tests.system.machines.cluster import running_cluster

PEOPLE = 600


@pytest.fixture(scope="module")
def cluster():
    with running_cluster(PEOPLE) as one:
        yield one


@pytest.fixture
def start(cluster):
    """start(webs=2, engines=3, **settings) -> running machines; the test's end stops them."""

    def machines(*, webs=0, engines=0, **settings):
        found = [cluster.machine() for _ in range(max(webs, engines))]
        for one in found[:webs]:
            one.env |= {"SITE_URL": found[0].url}  # the address of the proxy
            one.start_web()
        for one in found[:engines]:
            one.start_engine(**settings)
        for one in found[:webs]:
            one.await_answer("web", f"{one.url}/healthz")
        for one in found[:engines]:
            cluster.wait_until(
                lambda one=one: any("heartbeat" in line["message"] for line in one.log_lines()),
                seconds=120,
            )
        return found

    yield machines
    for one in cluster.machines[1:]:  # the first is the sandbox
        one.kill_all()


class Visitor:
    """A browser with one session for all webs."""

    def __init__(self, cluster):
        self.session = requests.Session()
        self.password = cluster.demo_output.partition("with the password ")[2].split()[0]

    def sign_in(self, web, *, password=None):
        token = self.session.get(f"{web.url}/accounts/login/", timeout=60).text
        token = token.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        form = {
            "login": "demo@example.org",
            "password": password or self.password,
            "csrfmiddlewaretoken": token,
        }
        return self.session.post(f"{web.url}/accounts/login/", data=form, timeout=60)

    def get(self, web, path="/g/acme/canvases/"):
        return self.session.get(f"{web.url}{path}", timeout=60, allow_redirects=False)


@pytest.fixture
def visitor(cluster):
    return Visitor(cluster)
