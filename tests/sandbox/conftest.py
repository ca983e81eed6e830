"""A sandbox on a free port, and a plain caller of its API."""

import dataclasses
import hashlib

import pytest
import requests

from tests.support.clock import StoppedTime
from tiktok_sandbox import faults, routes
from tiktok_sandbox.endpoints import segment
from tiktok_sandbox.limits import DEFAULT
from tiktok_sandbox.sandbox import Options
from tiktok_sandbox.seed import EU, MARA
from tiktok_sandbox.server import serve

UNLIMITED = dataclasses.replace(DEFAULT, app_rate=None, audience_rate=None)


class ApiClient:
    """A client of the API, with a token of one TikTok user."""

    def __init__(self, server, user_id=MARA):
        self.server = server
        self.sandbox = server.sandbox
        self.token = server.sandbox.accounts.issue_token(user_id)
        self.session = requests.Session()  # for tests that keep a connection open

    def url(self, endpoint):
        return f"{self.server.url}/open_api/v1.3/{endpoint}/"

    def get(self, endpoint, **query):
        return self.send("GET", endpoint, params=query)

    def post(self, endpoint, **body):
        return self.send("POST", endpoint, json=body)

    def send(self, method, endpoint, *, token=None, timeout=60, **how):
        headers = {"Access-Token": token or self.token}
        url = self.url(endpoint)
        return requests.request(
            method, url, headers=headers, timeout=timeout, allow_redirects=False, **how
        )

    def create(self, name="winback", advertiser_id=EU):
        body = {"advertiser_id": advertiser_id, "custom_audience_name": name}
        return self.post("segment/audience", **body).json()["data"]["audience_id"]

    def map(self, rows, schemas=("EMAIL_SHA256",), action="add", advertiser_ids=(EU,)):
        body = {
            "advertiser_ids": list(advertiser_ids),
            "action": action,
            "id_schema": list(schemas),
        }
        return self.post("segment/mapping", **body, batch_data=rows)

    def people(self, audience_id):
        return self.sandbox.audiences.members(audience_id).people


@pytest.fixture
def clock(monkeypatch):
    """Stop the clock of limits and faults: no window ends because the machine is busy."""
    stopped_time = StoppedTime()
    for module in (faults, routes, segment):
        monkeypatch.setattr(module, "time", stopped_time)
    return stopped_time


@pytest.fixture
def start_server():
    """start_server(limits=..., ...) -> a running server; all are closed at the end."""
    servers = []

    def start(db=":memory:", **options):
        servers.append(serve(db=str(db), options=Options(**{"limits": UNLIMITED, **options})))
        return servers[-1]

    yield start
    for server in servers:
        if not server.sandbox.closing.is_set():
            server.close()


@pytest.fixture
def server(start_server):
    return start_server()


@pytest.fixture
def mara_client(server):
    """Return a client of the user Mara."""
    return ApiClient(server)


@pytest.fixture
def client_of():
    """client_of(server, user_id) -> a client of this user."""
    return ApiClient


@pytest.fixture
def hash_of():
    """hash_of(number) -> the hash of a made-up person."""
    return lambda n: hashlib.sha256(f"person-{n}".encode()).hexdigest()


@pytest.fixture
def person_row(hash_of):
    """person_row(audience, 1, None, 3) -> cells of a person with made-up ids 1 and 3."""

    def cells(audience, *numbers):
        audience_ids = [audience] if isinstance(audience, str) else audience
        return [
            {} if n is None else {"id": hash_of(n), "audience_ids": audience_ids} for n in numbers
        ]

    return cells
