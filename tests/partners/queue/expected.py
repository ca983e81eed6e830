"""What must hold in test_state_machine.py: laws after every step, and the audiences at the end.

The expected members of an audience follow from the outcomes of all deliveries, in their order.
"""

from collections import defaultdict

from django.utils import timezone

from audiencesync.people.models import Erasure, Profile
from partners import laws
from partners.models import Action, Batch, Delivery, Outcome, Reason, Tally

IN, OUT = True, False
NEVER_DECREASE = ("entered", "synced", "not_synced", "cancelled")


class Recorder:
    """Record hashes, deliveries and failed repeats, because purges delete their rows.

    ``deliveries``: id -> (profile, audience, seq of the batch, delivery).
    """

    def __init__(self, server, app_group):
        super().__init__(server, app_group)
        self.hashes, self.deliveries, self.failed_repeats = defaultdict(set), {}, set()
        self.counts_before, self.retried = {}, set()

    @property
    def deleted_audiences(self):
        """Return our ids of the audiences that the partner has deleted."""
        return {
            audience.pk
            for audience in self.audiences
            if not self.sandbox.audiences.get(audience.remote_id)
        }

    def record(self):
        """Record the present hashes, deliveries and failed repeats."""
        for row in Profile.everybody.filter(pk__in=self.ids):
            self.hashes[row.pk] |= {
                bytes(digest).hex() for digest in (row.email_sha256, row.phone_sha256) if digest
            }
        for row in Delivery.objects.exclude(batch=None).select_related("batch"):
            profile = self.deliveries[row.pk][0] if row.pk in self.deliveries else row.profile_id
            self.deliveries[row.pk] = (profile, row.batch.audience_id, row.batch.seq, row)
        failed_repeats = Batch.objects.exclude(repeat_of=None).filter(state=Outcome.ERRORED)
        self.failed_repeats |= set(failed_repeats.values_list("audience", flat=True))

    def check(self):
        """Assert the laws of the queue, and that only a retry lowers a count (errored)."""
        assert list(laws.broken(now=timezone.now())) == []
        counts = {row.pk: row.as_dict() for row in Tally.objects.all()}
        for pk, before in self.counts_before.items():
            names = NEVER_DECREASE if pk in self.retried else (*NEVER_DECREASE, "errored")
            decreased = [name for name in names if counts[pk][name] < before[name]]
            assert not decreased, f"L3 sync {pk}: {decreased} fell from {before} to {counts[pk]}"
        self.counts_before = counts
        self.retried.clear()
        self.record()
        assert list(wrongly_superseded(self)) == []


def expected_states(world):
    """Return {(audience, profile): possible states}, a set of IN and OUT."""
    states_of = defaultdict(lambda: {OUT})
    for profile, audience, _seq, row in sorted(
        world.deliveries.values(), key=lambda one: (one[2], one[3].pk)
    ):
        is_add, key = row.batch.action == Action.ADD, (audience, profile)
        if row.status == Outcome.SYNCED:
            is_taken_back = is_add and row.batch.cancel_requested
            if not is_taken_back:
                states_of[key] = {is_add}
        elif row.status == Outcome.ERRORED or row.batch.attempts or row.batch.crashes:
            states_of[key] = states_of[key] | {is_add}  # attempted, result unknown
        else:
            states_of[key]  # never attempted: makes the entry {OUT} if there is none
    return states_of


def wrong_members(world):
    """Yield one sentence per profile that is wrongly in an audience or missing from it."""
    listed = {
        audience.pk: {
            digest for _schema, digest in world.sandbox.audiences.member_ids(audience.remote_id)
        }
        for audience in world.audiences
        if audience.pk not in world.deleted_audiences | world.failed_repeats
    }
    for (audience, profile), states in expected_states(world).items():
        if (
            audience in listed
            and (is_in := bool(listed[audience] & world.hashes[profile])) not in states
        ):
            yield f"L5 audience {audience}, profile {profile}: is in: {is_in}, expected: {states}"
    yield from _erased_members(world, listed)
    yield from _without_consent(world)
    known_hashes = set().union(*world.hashes.values())
    for audience, hashes in listed.items():
        if hashes - known_hashes:
            yield f"L5 audience {audience} holds {len(hashes - known_hashes)} unknown hashes"


def wrongly_superseded(world):
    """Yield one sentence per superseded delivery without a later opposite delivery."""
    for profile, audience, seq, row in world.deliveries.values():
        if row.outcome == Outcome.CANCELLED and row.reason == Reason.SUPERSEDED and profile:
            opposites = [
                (other_seq, other)
                for *key, other_seq, other in world.deliveries.values()
                if key == [profile, audience] and other.batch.action != row.batch.action
            ]
            # A retry raises the seq of an old delivery, so compare the ids as well.
            if not any(other_seq > seq or other.pk > row.pk for other_seq, other in opposites):
                yield f"delivery {row.pk} of profile {profile} was superseded by no delivery"


def _without_consent(world):
    """Yield one sentence per profile without consent that is left in an audience."""
    without_consent = set(Profile.objects.filter(ads_consent=False).values_list("pk", flat=True))
    for (audience, profile), states in expected_states(world).items():
        if (
            profile in without_consent
            and states == {IN}
            and audience not in world.deleted_audiences
        ):
            yield f"profile {profile} withdrew consent and is left in audience {audience}"


def _erased_members(world, listed):
    places = [place for erasure in Erasure.objects.all() for place in erasure.places]
    errored = {place["audience_id"] for place in places if place["state"] == "errored"}
    for audience in world.audiences:
        for number in world.erased:
            is_in = listed.get(audience.pk, set()) & world.hashes[world.ids[number]]
            if is_in and audience.remote_id not in errored:
                yield f"erased profile {number} is in audience {audience.pk}"
