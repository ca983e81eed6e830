"""A connected ad account at a running sandbox, profiles with hashes, and short retry times."""

import hashlib
import time

import pytest
from django.db.models import Sum
from django.utils import timezone

from audiencesync.people.models import Profile
from partners.models import Audience, Batch, Tally
from partners.models.tallies import COLUMNS, counts_from
from partners.queue import collect, flush
from partners.queue.push import pack
from tests.support import builder
from tiktok_sandbox.seed import MARA, UK

FAST = {
    "deadline": 3600.0,
    "backoff_base": 0.02,
    "backoff_max": 0.05,
    "probe": 0.05,
    "throttle_park": 0.1,
    "request_deadline": 10.0,
    "flush_seconds": 3.0,
}


def sha256(text):
    return hashlib.sha256(text.encode()).digest()


class World:
    """One connected ad account, with methods to enqueue people, flush and read the outcome."""

    def __init__(self, server, app_group):
        self.server, self.app_group = server, app_group
        self.sandbox = server.sandbox
        self.remote_token = self.sandbox.accounts.issue_token(MARA)
        self.connection = builder.connect(app_group, token=self.remote_token)
        self.eu = builder.add_account(self.connection)
        self.uk = builder.add_account(self.connection, UK, "Acme UK")
        self.n = 0  # profiles created so far

    def create_audience(self, name="winback", account=None):
        account = account or self.eu
        remote_id = str(self.sandbox.audiences.create(account.remote_id, name))
        return Audience.objects.create(ad_account=account, remote_id=remote_id, name=name)

    def create_sync(self, audience=None, action="add", kinds=("email",), **fields):
        return builder.make_sync(audience or self.create_audience(), action, kinds=kinds, **fields)

    def create_people(self, n=1, **fields):
        profiles = []
        for _ in range(n):
            self.n += 1
            values = {"email_sha256": sha256(f"e{self.n}"), **fields}
            profiles.append(Profile(app_group=self.app_group, external_id=f"p{self.n}", **values))
        return Profile.objects.bulk_create(profiles)

    def enter(self, to_sync, people, now=None):
        """Enqueue people; the entry key is the profile id, so a repeated call adds nothing."""
        profiles = Profile.objects.filter(pk__in=[person.pk for person in people])
        return builder.enter(to_sync, profiles, now)

    def flush(self, times=1, seconds=3.0):
        for _ in range(times):
            flush.Flush(seconds=seconds).run()

    def drain(self):
        """Flush until neither people nor a repeated call is pending; fail after three minutes."""
        ends_at = time.monotonic() + 180
        pending = Batch.objects.filter(state="pending").exclude(n=0, repeat_of=None)
        while pending.exists():
            assert time.monotonic() < ends_at, f"still pending: {pending.values()}"
            flush.Flush(seconds=10).run()
            time.sleep(0.02)

    def build_late_request(self):
        """Return a request that a worker has built but not sent; its lease has already expired."""
        [request] = collect.plan(self.eu.lane, most=1, now=timezone.now())
        assert collect.lease_batches(request, now=timezone.now())
        parcel = pack(request, post_by=float("inf"), most_rows=10_000)
        Batch.objects.filter(lease=request.lease).update(lease_until=timezone.now())
        collect.reclaim(now=timezone.now())
        return parcel

    def counts(self, to_sync):
        tally = Tally.objects.filter(pk=to_sync.pk).first()
        """Return the counts of a Sync that are not zero."""
        return {name: n for name, n in (tally.as_dict() if tally else {}).items() if n}

    def members(self, audience):
        return self.sandbox.audiences.members(audience.remote_id).people

    def absent(self, audience, people):
        """Return the ids of the people whose e-mail is not in the audience at the sandbox."""
        members = {
            sha256 for _schema, sha256 in self.sandbox.audiences.member_ids(audience.remote_id)
        }
        return {person.pk for person in people if person.email_sha256.hex() not in members}

    def mappings(self):
        return [line for line in self.sandbox.log.all() if line.endpoint == "segment/mapping"]

    def set_fault(self, kind, **details):
        return self.sandbox.faults.set(kind, endpoint="segment/mapping", **details)


def total(syncs):
    """Return the six counts summed over some Syncs."""
    tallies = Tally.objects.filter(sync__in=[to_sync.pk for to_sync in syncs])
    return counts_from(tallies.aggregate(**{name: Sum(name) for name in COLUMNS}))


@pytest.fixture
def server():
    sandbox_server = builder.run_sandbox()
    yield sandbox_server
    sandbox_server.close()


@pytest.fixture
def world(server, acme, settings):
    settings.TIKTOK_API_URL = server.url
    settings.SYNC = settings.SYNC | FAST | {"requests_per_second": 5000.0}
    return World(server, acme)
