"""The world of test_state_machine.py: four profiles, two audiences, a fake clock, frozen workers.

A beat is one run of a periodic job. A frozen worker has leased and built a request without sending
it.
"""

import dataclasses
import secrets
import time
from datetime import timedelta

from django.core.cache import cache
from django.db.models import F
from django.utils import timezone

from audiencesync.core import crypto
from audiencesync.people.changes import Change
from audiencesync.people.models import Erasure, Profile, Withdrawal
from audiencesync.people.writing.upsert import upsert
from canvases import laws
from canvases.privacy import erase as privacy
from partners import housekeeping, sync
from partners import laws as queue_laws
from partners.connections import connect
from partners.models import Batch, Connection, OAuthState, Outcome, Sync
from partners.queue import collect, flush, push, revalidate, settle
from tests.partners.queue.expected import Recorder
from tests.support.queue_world import World
from tiktok_sandbox.limits import DEFAULT
from tiktok_sandbox.seed import EU, MARA, UK

N_PEOPLE = 4
KINDS = (["email"], ["email", "phone"])  # kinds of identifiers, per audience
CROWD_KEYS = 1_000_000  # distance between the entry keys of two crowds
MAX_FREEZE = timedelta(minutes=10)  # less than the 15 minutes that hashes of an erased person stay


class RandomWorld(Recorder, World):
    """The steps that the state machine can take."""

    def __init__(self, server, app_group, alice, clock):
        cache.clear()
        server.sandbox.reset()
        super().__init__(server, app_group)
        self.alice, self.clock, self.limit = alice, clock, None
        self.audiences = [self.create_audience("one"), self.create_audience("two")]
        for audience, kinds in zip(self.audiences, KINDS, strict=True):
            for action in ("add", "remove"):
                self.create_sync(audience, action, kinds)
        self.limit_people(None)
        self.n_crowds, self.last_crowd, self.is_unblocked = 0, None, True
        self.frozen, self.erased = [], set()  # (since, parcel) of workers; numbers of profiles
        changes = [Change(external_id=f"p{n}", fields=_fields(n, "a")) for n in range(N_PEOPLE)]
        self.ids = upsert(app_group, changes, now=timezone.now()).profile_ids
        self.record()

    # profiles

    def change_profile(self, number, **fields):
        if number not in self.erased:
            upsert(
                self.app_group,
                [Change(external_id=f"p{number}", fields=fields)],
                now=timezone.now(),
            )

    def erase(self, number):
        self.erased.add(number)
        privacy.erase(self.app_group, [self.ids[number]], asked_by="x", now=timezone.now())

    def enqueue_crowd(self, audience, action, numbers):
        self.n_crowds += 1
        self.last_crowd = (
            self.sync_of(audience, action).pk,
            [self.ids[number] for number in numbers],
            self.n_crowds * CROWD_KEYS,
        )
        self.repeat_enqueue()

    def repeat_enqueue(self):
        """Repeat the last enqueue; return the number of new deliveries."""
        sync_id, ids, key = self.last_crowd
        to_sync = Sync.objects.select_related("audience__ad_account__connection", "app_group").get(
            pk=sync_id
        )
        crowd = Profile.everybody.filter(pk__in=ids).annotate(key=F("pk") + key, profile_id=F("pk"))
        return sync.enqueue(to_sync, crowd.values_list("key", "profile_id"), now=timezone.now())

    def sync_of(self, audience, action):
        return Sync.objects.get(audience=self.audiences[audience], action=action, purpose="")

    def retry(self, audience, action):
        row = self.sync_of(audience, action)
        self.retried.add(row.pk)
        sync.retry_errored(row, now=timezone.now())

    # admins

    def block(self, kind):
        """Block deliveries until ``repair`` (which does not restore a deleted audience)."""
        self.is_unblocked = False
        now, connection = timezone.now(), Connection.objects.get()
        match kind:
            case "disconnected" | "discarded":
                connect.disconnect(connection, discard=kind == "discarded", by=self.alice, now=now)
            case "account gone":
                connect.disconnect(
                    connection.ad_accounts.get(remote_id=EU), discard=True, by=self.alice, now=now
                )
            case "revoked":
                self.sandbox.accounts.revoke_all()
            case "stopped":
                sync.pause(Sync.objects.filter(purpose=""))
            case "deleted":
                self.sandbox.audiences.delete(self.audiences[1].remote_id)
            case "dropped":
                self.sandbox.accounts.set_dropped(True, advertiser_id=EU)

    def repair(self):
        self.is_unblocked = True
        self.sandbox.accounts.restore()
        sync.resume(Sync.objects.filter(purpose=""))
        self.reconnect()

    def reconnect(self):
        now, any_hash = timezone.now(), secrets.token_hex(32)
        state = OAuthState(
            partner="tiktok",
            state_hash=any_hash,
            session_hash=any_hash,
            user=self.alice,
            app_group=self.app_group,
        )
        state.created_at, state.used_at = now, now
        state.save()
        state.token_sealed = crypto.seal(
            self.sandbox.accounts.issue_token(MARA), context=state.token_context
        )
        accounts = [{"id": EU, "name": "Acme EU"}, {"id": UK, "name": "Acme UK"}]
        user = {"id": MARA, "name": "Mara", "email_masked": "m***@example.org"}
        state.offer = {"user": user, "ad_accounts": accounts, "scopes": [1, 3]}
        state.save()
        connect.choose(state, [EU, UK], now=now)

    # the partner and the workers

    def limit_people(self, people):
        limits = dataclasses.replace(
            DEFAULT, app_rate=None, audience_rate=None, people_per_request=people
        )
        self.sandbox.options = dataclasses.replace(self.sandbox.options, limits=limits)

    def hash_of(self, number):
        row = Profile.everybody.filter(pk=self.ids[number]).first()
        return bytes(row.email_sha256).hex() if row and row.email_sha256 else ""

    def freeze(self, *, loses_lease):
        """Freeze a worker that has leased and built a request."""
        now = timezone.now()
        for request in collect.plan(f"tiktok:{EU}", most=1, now=now):
            if not collect.lease_batches(request, now=now):
                continue
            try:
                parcel = push.pack(request, post_by=float("inf"), most_rows=10_000)
            except push.NeedsRevalidation as error:
                revalidate.revalidate(request, error, most_rows=10_000, now=now)
            else:
                self.frozen.append((now, parcel))
                if loses_lease:
                    Batch.objects.filter(lease=request.lease).update(lease_until=now)
                    collect.reclaim(now=timezone.now())

    def thaw(self, *, sends, dies):
        """Wake a frozen worker. It sends and settles, or it dies, before or after it sends."""
        if not self.frozen:
            return
        _since, parcel = self.frozen.pop(0)
        held = Batch.objects.filter(lease=parcel.request.lease, lease_until__gt=timezone.now())
        # A worker that has lost its lease does not die after sending: no code could notice its
        # call, a known limit ("What is left" of a late worker, docs/reliability.md).
        if dies and not (sends and held.exists()):
            return
        answer = push.send(parcel, at=0)
        if not dies:
            settle.settle(answer, now=timezone.now())

    def beat(self):
        flush.beat()
        time.sleep(0.002)  # longer than throttle_park, which is by the clock of the database

    def housekeep(self):
        privacy.beat()
        housekeeping.probe()

    def advance_clock(self, seconds):
        """Move the clock and beat until nothing is due. Workers frozen for too long die."""
        self.clock.shift(seconds)
        self.frozen = [
            (since, parcel) for since, parcel in self.frozen if timezone.now() - since < MAX_FREEZE
        ]
        for _ in range(12):
            self.beat()
            if not (
                Batch.objects.due(timezone.now()).exists()
                or list(queue_laws.broken(now=timezone.now()))
            ):
                break
            self.clock.shift(6)  # repairs after a long pause take several beats
        housekeeping.purge(now=timezone.now())

    def settle_everything(self):
        """End all faults, wake all workers, and beat until nothing is pending."""
        self.sandbox.heal()
        self.limit_people(None)
        while self.frozen:
            self.thaw(sends=True, dies=False)
        self.repair()
        for n_rounds in range(40):
            self.housekeep()
            self.advance_clock(600 if n_rounds < 10 else 3 * 3600)
            self.check()
            if not (
                _pending()
                or Withdrawal.objects.exists()
                or Erasure.objects.filter(done_at=None).exists()
            ):
                assert laws.broken(now=timezone.now()) == []
                return
        raise AssertionError(
            f"never idle: {_pending()}, {Withdrawal.objects.count()}, {Erasure.objects.values()}"
        )


def _pending():
    return list(Batch.objects.filter(state=Outcome.PENDING).values())


def _fields(number, version):
    return {
        "email": f"p{number}{version}@example.org",
        "phone": f"+4915112345{number:02}" if number % 2 else None,
    }
