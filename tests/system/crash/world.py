"""Build the world of a scenario: ad account, two audiences, numbered people; short sync times.

A *beat* is one run of a periodic job (docs/architecture.md): of the queue or of the canvas engine.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection as database
from django.utils import timezone

from audiencesync.groups.models import AppGroup, Membership, Role, User
from audiencesync.people.models import Profile
from audiencesync.people.models.live import ChangedProfile, Signal
from canvases import engine
from canvases.models import Visit
from partners.connections import revoke
from partners.models import AdAccount, Audience, Batch, Connection, SpentToken, Sync
from partners.queue import flush
from partners.tiktok import client
from tests.support import builder
from tests.support.clock import CLOCK, real_monotonic, real_sleep

# Seconds on the clock of the scenario (CLOCK), unless they are called real.
LEASE = 0.6
PAUSE = LEASE / 3  # between two beats
SYNC_TIMES = {
    "deadline": 3600.0,
    "erasure_rest": 900.0,  # some scenarios let it pass
    "lease": LEASE,
    "create_lease": LEASE,
    "request_deadline": 0.0,  # so that calls take no time of a lease; see `allow_slow_answers`
    "flush_seconds": 3.0,
    "requests_per_second": 5000.0,
    # These end before the next beat, but not within one beat.
    "backoff_base": 0.1,
    "backoff_max": 0.15,
    "probe": 0.1,
    "throttle_park": 0.15,
}
DATABASE_PAUSE = 0.025  # real seconds
LONGEST = 12.0  # real seconds after which a process gives up if work is left
ANSWER_SECONDS = 20.0  # real seconds that a call to the sandbox may take
AUDIENCES = ("winback", "other")


def sha256(number: int) -> bytes:
    """Return the hash of a numbered person."""
    return hashlib.sha256(b"person %d" % number).digest()


def allow_slow_answers() -> None:
    """Allow each call ANSWER_SECONDS, as the sandbox answers in real time."""
    fetch = client.fetch
    client.fetch = lambda session, request, *, seconds: fetch(
        session, request, seconds=ANSWER_SECONDS
    )


@dataclass(frozen=True)
class Remote:
    """Address and rows of the sandbox before the scenario began."""

    url: str
    tokens: tuple[str, str]  # of the connection, and for a reconnect
    audiences: dict[str, str]  # name -> id
    ledger: Path  # the file of the erasure ledger; each run begins without it


class World:
    """Create, change and read the rows of a scenario; used in a child process."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        settings.TIKTOK_API_URL = remote.url
        settings.ERASURE_LEDGER = str(remote.ledger)
        settings.SYNC = settings.SYNC | SYNC_TIMES
        CLOCK.install()
        allow_slow_answers()

    def create_rows(self) -> None:
        """Create the first rows of the database that each run copies."""
        group = AppGroup.objects.create(name="Acme", slug="acme")
        alice = User.objects.create(email="alice@example.org")
        Membership.objects.create(user=alice, app_group=group, role=Role.ADMIN)
        account = builder.add_account(builder.connect(group, token=self.remote.tokens[0], by=alice))
        for name in AUDIENCES:
            Audience.objects.create(
                ad_account=account, remote_id=self.remote.audiences[name], name=name
            )

    @property
    def group(self) -> AppGroup:
        return AppGroup.objects.get()

    @property
    def alice(self) -> User:
        return User.objects.get()

    @property
    def connection(self) -> Connection:
        return Connection.objects.get()

    @property
    def account(self) -> AdAccount:
        return AdAccount.objects.select_related("connection").get()

    def create_people(self, *numbers: int, **fields) -> None:
        """Create profiles; a number is the external id and determines the hash."""
        for number in numbers:
            values = {"email_sha256": sha256(number)} | fields
            Profile.objects.create(app_group=self.group, external_id=str(number), **values)

    def create_sync(self, label: str, action: str = "add", audience: str = "winback") -> Sync:
        """Create a Sync, which ``enter`` finds by its label; return it."""
        return builder.make_sync(Audience.objects.get(name=audience), action, label=label)

    def enter(self, label: str, *numbers: int, now: datetime | None = None) -> int:
        """Enter people; the entry key is the profile id, so that a second call changes nothing."""
        sync = Sync.objects.select_related("audience__ad_account__connection").get(label=label)
        profiles = Profile.objects.filter(external_id__in=map(str, numbers))
        return builder.enter(sync, profiles, now)

    def has_pending(self) -> bool:
        """Return whether a batch with people is pending, or a repeat that can be sent.

        A repeat (Batch.repeat_of) has no people of its own; it can be sent if there is a token.
        """
        pending = Batch.objects.filter(state="pending")
        return pending.exclude(n=0, ad_account__connection__token_sealed="").exists()

    def flush(self, seconds: float = LONGEST, wait: Callable[[float], None] = CLOCK.pause) -> None:
        """Run the queue's beat until no work is pending, for ``seconds`` (real) at most."""
        ends_at = real_monotonic() + seconds
        flush.beat()
        while real_monotonic() < ends_at and self.has_pending():
            wait(PAUSE)
            if database.vendor == "postgresql":  # its clock decides the send times, not CLOCK
                real_sleep(DATABASE_PAUSE)
            flush.beat()

    def drain(self, seconds: float = LONGEST) -> None:
        """Run the beats of engine and queue until no work is left, for ``seconds`` (real) at most.

        Leases of dead processes end meanwhile.
        """
        ends_at = real_monotonic() + seconds
        while real_monotonic() < ends_at:
            engine.beat()
            self.flush(seconds=0.5)
            revoke.retry_due(now=timezone.now())
            has_due_visits = Visit.objects.filter(left_at=None, due_at__lte=timezone.now()).exists()
            has_signals = Signal.objects.exists() or ChangedProfile.objects.exists()
            has_tokens_to_revoke = SpentToken.objects.exists()
            has_more = has_tokens_to_revoke or has_due_visits or has_signals
            if not (self.has_pending() or has_more):
                return
            CLOCK.pause(PAUSE)
