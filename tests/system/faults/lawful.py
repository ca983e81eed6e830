"""A small world whose laws are checked after every beat, and at the end against the sandbox's own member sets."""

import time

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from canvases import laws
from partners.models import Batch, Delivery, Tally
from partners.queue import flush
from tests.support.queue_world import World

TRUE_TIMES = {
    "deadline": 13 * 3600.0,
    "backoff_base": 5.0,
    "backoff_max": 1800.0,
    "probe": 300.0,
    "throttle_park": 300.0,
}
NEVER_FALL = ("entered", "synced", "not_synced", "cancelled")
N = 1000


class Town(World):
    """A World that is looked at all the time: no law may be broken for a moment, no count may fall."""

    def __init__(self, server, app_group):
        super().__init__(server, app_group)
        self.before = {}

    def beat(self):
        """The task of the alarm clock, then a look at the laws."""
        flush.beat()
        self.look()

    def beats(self, seconds, every=0.05):
        """Beat after beat for some time."""
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            self.beat()
            time.sleep(every)

    def beat_until(self, condition, seconds=40.0):
        """Beats until ``condition()``."""
        ends_at = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < ends_at, "it did not happen"
            self.beat()
            time.sleep(0.02)

    def settle(self, seconds=40.0):
        """Beats until nobody is pending."""
        self.beat_until(lambda: not Batch.objects.filter(state="pending").exists(), seconds)

    def look(self):
        """L1, L2, L4, L6 from the rows; L3 against the last look."""
        assert laws.broken(now=timezone.now()) == []
        now = {tally.pk: tally.as_dict() for tally in Tally.objects.all()}
        for sync, counts in self.before.items():
            assert [name for name in NEVER_FALL if now[sync][name] < counts[name]] == []
        self.before = now

    def judge(self, *maybe):
        """All is quiet: L5, the sandbox holds whom we believe it holds (``maybe``: states of which nobody can know), and
        L7, each request was of one ad account and one action."""
        self.look()
        assert Batch.objects.exclude(lease="").count() == 0
        believed, possible = _fold("synced"), _fold("synced", *maybe)
        for audience in possible:
            there = {digest for _schema, digest in self.sandbox.audiences.listed(audience)}
            assert believed.get(audience, set()) <= there <= possible[audience]
        assert all(len(line.advertisers) == 1 for line in self.mappings())
        assert {line.action for line in self.mappings() if line.code == 0} <= {
            "add",
            "delete",
        }  # else it was not read

    def codes(self):
        """The codes of all mapping requests that the sandbox has answered, in order."""
        return [line.code for line in self.mappings()]


def _fold(*states):
    """Audience -> the hashes that must be there after all people in ``states``, in the order of the wishes."""
    rows = Delivery.objects.annotate(state=Coalesce("outcome", "batch__state")).order_by(
        "batch__seq", "pk"
    )
    found = {}
    for state, audience, action, digest in rows.values_list(
        "state", F("sync__audience__remote_id"), F("sync__action"), F("profile__email_sha256")
    ):
        members = found.setdefault(audience, set())
        if state in states:
            (members.add if action == "add" else members.discard)(bytes(digest).hex())
    return found
