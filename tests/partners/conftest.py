"""A running sandbox in the place of TikTok, and an admin who connects it in the browser."""

import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.urls import reverse

from audiencesync.people.models import Profile
from partners.models import Connection, OAuthState
from tests.support import builder
from tiktok_sandbox.sandbox import Options
from tiktok_sandbox.seed import MARA
from tiktok_sandbox.server import serve


@pytest.fixture
def sandbox(settings):
    """The sandbox's state; our client speaks to it over HTTP."""
    with serve(options=Options()) as server:
        settings.TIKTOK_API_URL = server.url
        settings.TIKTOK_AUTH_URL = f"{server.url}/portal/auth"
        yield server.sandbox


class ConnectFlow:
    """A user connects TikTok for an app group: starts, confirms there, comes back, chooses."""

    def __init__(self, client, group):
        self.client, self.group = client, group

    def url(self, name, *args):
        return reverse(name, args=[self.group.slug, "tiktok", *args])

    def start(self):
        """Start a connection, or a confirmed change; return the URL of TikTok's page."""
        return self.client.post(self.url("connect_partner"), {"confirm": "on"})["Location"]

    def confirm(self, address, *, user=MARA, scope=("1", "3"), **more):
        """Confirm on TikTok's page; return the callback URL."""
        fields = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        answer = requests.post(
            address.split("?")[0],
            data=fields | {"user": user, "scope": list(scope)} | more,
            allow_redirects=False,
            timeout=60,
        )
        return answer.headers["Location"]

    def come_back(self, address):
        parts = urlsplit(address)
        return self.client.get(f"{parts.path}?{parts.query}")

    def authorise(self, **how):
        """Start and confirm; return the URL of the page that offers ad accounts."""
        return self.come_back(self.confirm(self.start(), **how))["Location"]

    def connect(self, *ids, confirm="", **how):
        page = self.authorise(**how)
        return self.client.post(page, {"ad_accounts": ids, "confirm": confirm})

    def connection(self):
        return Connection.objects.get(app_group=self.group)


@pytest.fixture
def flow_of(acme, signed_in, sandbox):
    """flow_of(user) -> the connect flow of that user in the group Acme."""
    return lambda user, group=acme: ConnectFlow(signed_in(user), group)


@pytest.fixture
def alice_flow(flow_of, alice):
    """Return the connect flow of alice, the admin."""
    return flow_of(alice)


@pytest.fixture
def live_sync(acme):
    """live_sync(audience, n_people) -> a Sync of a live canvas with pending people."""

    def new_sync(audience, n=0, **fields):
        values = {
            "action": "add",
            "kinds": ["email"],
            "label": "Winback / Step 2",
            "url": "/g/acme/canvases/1/",
            "is_live": True,
        }
        sync = builder.make_sync(audience, **values | fields)
        for number in range(n):
            name = f"{sync.pk}-{number}"
            digest = hashlib.sha256(name.encode()).digest()
            Profile.objects.create(app_group=acme, external_id=name, email_sha256=digest)
        builder.enter(sync, Profile.objects.filter(external_id__startswith=f"{sync.pk}-"))
        return sync

    return new_sync


@pytest.fixture
def nothing_stored():
    """nothing_stored(): assert that no token and no connection is stored."""

    def check():
        assert not Connection.objects.exclude(token_sealed="").exists()
        assert not OAuthState.objects.exclude(token_sealed="").exists()
        assert not OAuthState.objects.exclude(offer={}).exists()

    return check
