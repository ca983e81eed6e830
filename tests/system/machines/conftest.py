"""A cluster for each test file, and machines that stop after each test."""

import pytest
import requests

from tests.system.machines.cluster import running_cluster

N_PEOPLE = 600


@pytest.fixture(scope="module")
def cluster():
    with running_cluster(N_PEOPLE) as cluster:
        yield cluster


@pytest.fixture
def start_machines(cluster):
    """start_machines(webs=2, engines=3, **settings) -> machines that run until the test ends."""

    def start(*, webs=0, engines=0, **settings):
        machines = [cluster.machine() for _ in range(max(webs, engines))]
        for machine in machines[:webs]:
            machine.env |= {"SITE_URL": machines[0].url}  # the address of the proxy
            machine.start_web()
        for machine in machines[:engines]:
            machine.start_engine(**settings)
        for machine in machines[:webs]:
            machine.await_answer("web", f"{machine.url}/healthz")
        for machine in machines[:engines]:
            cluster.wait_until(
                lambda machine=machine: any(
                    "heartbeat" in line["message"] for line in machine.log_lines()
                ),
                seconds=120,
            )
        return machines

    yield start
    for machine in cluster.machines[1:]:  # the first machine runs the sandbox
        machine.kill_all()


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
