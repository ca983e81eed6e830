"""A connected ad account at a running sandbox, profiles with hashes, and short retry times."""

import dataclasses
import hashlib
import time

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audiencesync.people.models import Profile
from partners import sync
from partners.models import AdAccount, Audience, Batch, Connection, Sync, Tally
from partners.queue import collect, flush
from partners.queue.push import pack
from tiktok_sandbox.limits import DEFAULT
from tiktok_sandbox.sandbox import Options
from tiktok_sandbox.seed import EU, MARA, UK
from tiktok_sandbox.server import serve

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
        self.connection = Connection(app_group=app_group, connected_at=timezone.now())
        self.connection.set_token(self.remote_token)
        self.connection.save()
        self.eu = AdAccount.objects.create(connection=self.connection, remote_id=EU, name="Acme EU")
        self.uk = AdAccount.objects.create(connection=self.connection, remote_id=UK, name="Acme UK")
        self.n = self.keys = 0

    def audience(self, name="winback", account=None):
        account = account or self.eu
        remote_id = str(self.sandbox.audiences.create(account.remote_id, name))
        return Audience.objects.create(ad_account=account, remote_id=remote_id, name=name)

    def sync(self, audience=None, action="add", kinds=("email",)):
        audience = audience or self.audience()
        return Sync.objects.create(
            app_group=self.app_group,
            audience=audience,
            action=action,
            kinds=list(kinds),
            label="x",
            url="/",
            is_live=True,
        )

    def people(self, n=1, **fields):
        made = []
        for _ in range(n):
            self.n += 1
            values = {"email_sha256": sha256(f"e{self.n}"), **fields}
            made.append(Profile(app_group=self.app_group, external_id=f"p{self.n}", **values))
        return Profile.objects.bulk_create(made)

    def enter(self, to_sync, people, now=None):
        """Enqueue people; the entry key is the profile id, so a repeated call adds nothing."""
        crowd = Profile.objects.filter(pk__in=[person.pk for person in people]).annotate(
            profile_id=F("pk")
        )
        with transaction.atomic():
            return sync.enqueue(
                to_sync, crowd.values_list("pk", "profile_id"), now=now or timezone.now()
            )

    def flush(self, times=1, seconds=3.0):
        for _ in range(times):
            flush.Flush(seconds=seconds).run()

    def drain(self, seconds=6.0):
        """Flush until no batch of people and no repeat is pending."""
        ends = time.monotonic() + seconds
        pending = Batch.objects.filter(state="pending").exclude(n=0, repeat_of=None)
        while time.monotonic() < ends and pending.exists():
            flush.Flush(seconds=1).run()
            time.sleep(0.02)

    def frozen_before_the_call(self):
        """Return a request that a worker has built and not sent when its lease expired."""
        [request] = collect.plan(self.eu.remote_id, most=1, now=timezone.now())
        assert collect.take(request, now=timezone.now())
        parcel = pack(request, post_by=float("inf"), most_rows=10_000)
        Batch.objects.filter(lease=request.lease).update(lease_until=timezone.now())
        collect.reclaim(now=timezone.now())
        return parcel

    def counts(self, to_sync):
        tally = Tally.objects.filter(pk=to_sync.pk).first()
        return {name: n for name, n in (tally.as_dict() if tally else {}).items() if n}

    def members(self, audience):
        return self.sandbox.audiences.members(audience.remote_id).people

    def mappings(self):
        return [line for line in self.sandbox.log.all() if line.endpoint == "segment/mapping"]

    def fault(self, kind, **details):
        return self.sandbox.faults.set(kind, endpoint="segment/mapping", **details)


@pytest.fixture
def server():
    limits = dataclasses.replace(DEFAULT, app_rate=None, segment_rate=None)
    running = serve(db=":memory:", options=Options(limits=limits))
    yield running
    running.close()


@pytest.fixture
def world(server, acme, settings):
    settings.TIKTOK_API_URL = server.url
    settings.SYNC = settings.SYNC | FAST | {"requests_per_second": 5000.0}
    return World(server, acme)
