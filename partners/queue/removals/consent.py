"""Act on withdrawn consents: cancel waiting adds, and remove people where the group says so."""

from __future__ import annotations

import math
import time
from datetime import datetime

from audiencesync.people.models import Withdrawal
from audiencesync.people.writing.identify import family
from partners.models import Reason, Sync
from partners.queue.removals import removal

AT_ONCE = 500


def act(*, now: datetime, seconds: float = math.inf) -> bool:
    """Act on the stored withdrawals. Return whether the time ended it."""
    ends_at = time.monotonic() + seconds
    while rows := list(Withdrawal.objects.select_related("app_group").order_by("pk")[:AT_ONCE]):
        _act(rows, now=now)
        if time.monotonic() > ends_at:
            return True
    return False


def _act(rows: list[Withdrawal], *, now: datetime) -> None:
    keys = [row.pk for row in rows]
    # People who have consented again meanwhile are left alone.
    still_withdrawn = set(
        Withdrawal.objects.filter(pk__in=keys)
        .exclude(profile__ads_consent=True)
        .values_list("pk", flat=True)
    )
    people = {row.profile_id: row for row in rows if row.pk in still_withdrawn}
    removal.cancel_adds(sorted(family(list(people))), Reason.NO_CONSENT, now=now)
    leaving = {pk: row.pk for pk, row in people.items() if row.app_group.remove_on_withdrawal}
    person_of = family(list(leaving))
    for audience, profiles in sorted(removal.audiences_of(list(person_of)).items()):
        chosen = {leaving[person_of[pk]] for pk in profiles}
        entries = Withdrawal.objects.filter(pk__in=chosen).values_list("pk", "profile_id")
        removal.remove(audience, Sync.Purpose.CONSENT, entries, now=now)
    Withdrawal.objects.filter(pk__in=keys).delete()
