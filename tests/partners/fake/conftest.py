"""An admin who connects FakeAds, and people on their way to its segments."""

import hashlib
from urllib.parse import unquote

import pytest
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from audiencesync.people.models import Profile
from partners import audiences, registry, sync
from partners.models import Batch, Connection, Sync, Tally
from partners.queue import flush
from tests.partners.fake.partner import FakePartner
from tests.partners.fake.remote import Remote
from tests.support.queue_world import FAST

# Nothing is tried again within one flush: the tests decide when.
SLOW_RETRIES = {
    "requests_per_second": 5000.0,
    "backoff_base": 300.0,
    "backoff_max": 600.0,
    "probe": 300.0,
}


@pytest.fixture
def remote():
    running = Remote()
    yield running
    running.close()


@pytest.fixture
def fake(remote, monkeypatch, settings):
    """Register FakeAds beside the other partners."""
    settings.SYNC = settings.SYNC | FAST | SLOW_RETRIES
    partner = FakePartner(remote.url)
    monkeypatch.setattr(registry, "PARTNERS", (*registry.PARTNERS, partner))
    return partner


class World:
    """The group Acme as its admin sees it."""

    def __init__(self, client, group, admin, remote):
        self.client, self.group, self.admin, self.remote = client, group, admin, remote
        self.n = 0

    def url(self, name, *args):
        return reverse(name, args=[self.group.slug, "fake", *args])

    def come_back(self):
        """Walk through consent; return the answer of the callback."""
        address = self.client.post(self.url("connect_partner"), {"confirm": "on"})["Location"]
        query = dict(part.split("=") for part in address.split("?")[1].split("&"))
        callback = reverse("oauth_callback", args=["fake"])
        redirect_uri = unquote(query["redirect_uri"])
        code = self.remote.issue_code(redirect_uri)
        return self.client.get(callback, {"state": query["state"], "code": code})

    def connect(self):
        """Walk through consent and choice; return the last answer."""
        return self.client.post(
            self.come_back()["Location"], {"ad_accounts": [self.remote.ad_account]}
        )

    @property
    def connection(self):
        return Connection.objects.get(app_group=self.group, partner="fake")

    def create_audience(self, name="winback"):
        account = self.connection.ad_accounts.get()
        return audiences.create(account, name, by=self.admin, now=timezone.now())

    def create_sync(self, audience, action="add", kinds=("email",)):
        return Sync.objects.create(
            app_group=self.group,
            audience=audience,
            action=action,
            kinds=list(kinds),
            label="Winback",
            url="/",
            is_live=True,
        )

    def create_people(self, n=1):
        profiles = []
        for _ in range(n):
            self.n += 1
            digest = hashlib.sha256(f"e{self.n}".encode()).digest()
            profiles.append(
                Profile(app_group=self.group, external_id=f"p{self.n}", email_sha256=digest)
            )
        return Profile.objects.bulk_create(profiles)

    def enter(self, asked, people):
        crowd = Profile.objects.filter(pk__in=[person.pk for person in people])
        crowd = crowd.annotate(profile_id=F("pk")).values_list("pk", "profile_id")
        with transaction.atomic():
            sync.enqueue(asked, crowd, now=timezone.now())

    def flush(self):
        flush.Flush(seconds=3).run()

    def drain(self, turns=60):
        """Flush until no people are pending; every back-off is over at once."""
        for _ in range(turns):
            if not Batch.objects.filter(state="pending").exists():
                return
            Batch.objects.filter(state="pending").update(due_at=timezone.now())
            self.flush()
        raise AssertionError("people are still pending")

    def counts(self, asked):
        tally = Tally.objects.get(pk=asked.pk)
        return {name: n for name, n in tally.as_dict().items() if n}

    def members(self, audience):
        return self.remote.segments[audience.remote_id].members


@pytest.fixture
def world(fake, remote, acme, alice, signed_in):
    return World(signed_in(alice), acme, alice, remote)


@pytest.fixture
def connected(world):
    world.connect()
    return world
