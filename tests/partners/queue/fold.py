"""What must be true in the town of the machine: the laws at every moment, and at rest who is at the partner.

Who must be there is the fold of all wishes in their order, by what became of each.
"""

from collections import defaultdict

from django.utils import timezone

from audiencesync.people.models import Erasure, Profile
from partners import laws
from partners.models import Action, Batch, Delivery, Outcome, Reason, Tally

IN, OUT = True, False
NEVER_FALL = ("entered", "synced", "not_synced", "cancelled")


class Witness:
    """Remembers what rows said that may be gone at the end: hashes, wishes, repeats that were lost."""

    def __init__(self, server, app_group):
        super().__init__(server, app_group)
        self.hashes, self.seen, self.lost = defaultdict(set), {}, set()
        self.counted, self.retried = {}, set()

    @property
    def gone(self):
        """Our ids of the audiences that the partner has no more."""
        return {
            audience.pk
            for audience in self.audiences
            if not self.sandbox.audiences.get(audience.remote_id)
        }

    def note(self):
        """Look at the rows."""
        for row in Profile.everybody.filter(pk__in=self.ids):
            self.hashes[row.pk] |= {
                bytes(digest).hex() for digest in (row.email_sha256, row.phone_sha256) if digest
            }
        for row in Delivery.objects.exclude(batch=None).select_related("batch"):
            who = self.seen[row.pk][0] if row.pk in self.seen else row.profile_id
            self.seen[row.pk] = (who, row.batch.audience_id, row.batch.seq, row)
        lost = Batch.objects.exclude(repeat_of=None).filter(state=Outcome.ERRORED)
        self.lost |= set(lost.values_list("audience", flat=True))

    def judge(self):
        """The laws of the queue, and that no count has fallen, but errored by a Retry."""
        assert list(laws.broken(now=timezone.now())) == []
        counts = {row.pk: row.as_dict() for row in Tally.objects.all()}
        for pk, before in self.counted.items():
            names = NEVER_FALL if pk in self.retried else (*NEVER_FALL, "errored")
            fallen = [name for name in names if counts[pk][name] < before[name]]
            assert not fallen, f"L3 sync {pk}: {fallen} fell from {before} to {counts[pk]}"
        self.counted = counts
        self.retried.clear()
        self.note()
        assert list(unjust(self)) == []


def believed(town):
    """(audience, person) -> what may be true of them: in, out, or either."""
    found = defaultdict(lambda: {OUT})
    for who, audience, _seq, row in sorted(town.seen.values(), key=lambda one: (one[2], one[3].pk)):
        wanted, place = row.batch.action == Action.ADD, (audience, who)
        if row.status == Outcome.SYNCED:
            is_taken_back = wanted and row.batch.cancel_requested
            if not is_taken_back:
                found[place] = {wanted}
        elif row.status == Outcome.ERRORED or row.batch.attempts or row.batch.crashes:
            found[place] = found[place] | {wanted}  # tried, and nobody knows
        else:
            found[place] = found[place]
    return found


def contradictions(town):
    """One sentence per person who is where they must not be, or is missing."""
    there = {
        audience.pk: {
            digest for _schema, digest in town.sandbox.audiences.listed(audience.remote_id)
        }
        for audience in town.audiences
        if audience.pk not in town.gone | town.lost
    }
    for (audience, who), states in believed(town).items():
        if audience in there and (is_in := bool(there[audience] & town.hashes[who])) not in states:
            yield f"L5 audience {audience}, person {who}: is in: {is_in}, believed: {states}"
    yield from _erased(town, there)
    yield from _refusing(town)
    known = set().union(*town.hashes.values())
    for audience, hashes in there.items():
        if hashes - known:
            yield f"L5 audience {audience} holds {len(hashes - known)} whom nobody knows"


def unjust(town):
    """One sentence per person who was left out for the opposite wish, and has none that is later."""
    for who, audience, seq, row in town.seen.values():
        if row.outcome == Outcome.CANCELLED and row.reason == Reason.SUPERSEDED and who:
            mine = [one for one in town.seen.values() if one[:2] == (who, audience)]
            others = [one for one in mine if one[3].batch.action != row.batch.action]
            if not any(
                one[2] > seq or one[3].pk > row.pk for one in others
            ):  # whoever was retried, has a new seq
                yield f"delivery {row.pk} of person {who} was superseded by nothing"


def _refusing(town):
    """Who has withdrawn their consent has been taken out of every audience, or we know that it failed."""
    refusing = set(Profile.objects.filter(ads_consent=False).values_list("pk", flat=True))
    for (audience, who), states in believed(town).items():
        if who in refusing and states == {IN} and audience not in town.gone:
            yield f"person {who} refuses, and is left in audience {audience}"


def _erased(town, there):
    places = [place for one in Erasure.objects.all() for place in one.places]
    refused = {place["audience_id"] for place in places if place["state"] == "errored"}
    for audience in town.audiences:
        for number in town.erased:
            is_in = there.get(audience.pk, set()) & town.hashes[town.ids[number]]
            if is_in and audience.remote_id not in refused:
                yield f"erased person {number} is in audience {audience.pk}"
