"""A World that checks the laws after every beat and can compare members with the sandbox.

A beat is one run of a periodic job. L1 to L7 are numbers of laws in docs/reliability.md.
"""

import time

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from canvases import laws
from partners.models import Batch, Delivery, Tally
from partners.queue import flush
from tests.support.queue_world import World

PRODUCTION_TIMES = {
    "deadline": 13 * 3600.0,
    "backoff_base": 5.0,
    "backoff_max": 1800.0,
    "probe": 300.0,
    "throttle_park": 300.0,
}
NEVER_DECREASE = ("entered", "synced", "not_synced", "cancelled")
N_PEOPLE = 1000


class CheckedWorld(World):
    """Checks after each beat that no law is broken and that no count has decreased."""

    def __init__(self, server, app_group):
        super().__init__(server, app_group)
        self.counts_before = {}

    def beat(self):
        """Run the heartbeat's flush task, then check the laws."""
        flush.beat()
        self.check_laws()

    def beat_for(self, seconds, every=0.05):
        """Beat repeatedly for some seconds."""
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            self.beat()
            time.sleep(every)

    def beat_until(self, condition, seconds=180.0):
        """Beat until ``condition()`` is true."""
        ends_at = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < ends_at, "the condition did not become true in time"
            self.beat()
            time.sleep(0.02)

    def drain(self, seconds=180.0):
        """Beat until no batch is pending."""
        self.beat_until(lambda: not Batch.objects.filter(state="pending").exists(), seconds)

    def check_laws(self):
        """Check L1, L2, L4 and L6 from the rows, and L3 against the counts of the last check."""
        assert laws.broken(now=timezone.now()) == []
        counts_now = {tally.pk: tally.as_dict() for tally in Tally.objects.all()}
        for sync, counts in self.counts_before.items():
            assert [name for name in NEVER_DECREASE if counts_now[sync][name] < counts[name]] == []
        self.counts_before = counts_now

    def check_at_rest(self, *uncertain):
        """Check all laws at a time when nothing is pending.

        L5: the sandbox has the members that follow from our rows. ``uncertain``: states of people
        who may have arrived or not. L7: each request had one ad account and one action.
        """
        self.check_laws()
        assert Batch.objects.exclude(lease="").count() == 0
        certain, possible = _members("synced"), _members("synced", *uncertain)
        for audience in possible:
            actual = {digest for _schema, digest in self.sandbox.audiences.member_ids(audience)}
            assert certain.get(audience, set()) <= actual <= possible[audience]
        assert all(len(line.advertisers) == 1 for line in self.mappings())
        # The sandbox logs an action only for a body that it could read.
        assert {line.action for line in self.mappings() if line.code == 0} <= {"add", "delete"}

    def codes(self):
        """Return the codes of all mapping requests that the sandbox has answered, in order."""
        return [line.code for line in self.mappings()]


def _members(*states):
    """Return audience -> hashes, after the adds and removals in ``states`` in their order."""
    rows = Delivery.objects.annotate(state=Coalesce("outcome", "batch__state")).order_by(
        "batch__seq", "pk"
    )
    hashes_of = {}
    for state, audience, action, digest in rows.values_list(
        "state", F("sync__audience__remote_id"), F("sync__action"), F("profile__email_sha256")
    ):
        hashes = hashes_of.setdefault(audience, set())
        if state in states:
            (hashes.add if action == "add" else hashes.discard)(bytes(digest).hex())
    return hashes_of
