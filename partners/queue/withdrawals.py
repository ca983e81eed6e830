"""Who withdrew their consent: what waits is cancelled, and where the group says so they leave every audience."""

from __future__ import annotations

import math
import time
from datetime import datetime

from audiencesync.people.models import Withdrawal
from audiencesync.people.writing.identify import family
from partners.models import Reason, Sync
from partners.queue import removals

AT_ONCE = 500


def settle(*, now: datetime, seconds: float = math.inf) -> bool:
    """Act on withdrawals that were written down; whether the time ended it. Who has consented again is left alone."""
    ends_at = time.monotonic() + seconds
    while rows := list(Withdrawal.objects.select_related("app_group").order_by("pk")[:AT_ONCE]):
        keys = [row.pk for row in rows]
        still = Withdrawal.objects.filter(pk__in=keys).exclude(profile__ads_consent=True)
        people = {
            row.profile_id: row for row in rows if row.pk in set(still.values_list("pk", flat=True))
        }
        removals.cancel_adds(sorted(family(list(people))), Reason.NO_CONSENT, now=now)
        leaving = {pk: row.pk for pk, row in people.items() if row.app_group.remove_on_withdrawal}
        who = family(list(leaving))
        for audience, profiles in sorted(removals.places(list(who)).items()):
            chosen = {leaving[who[pk]] for pk in profiles}
            crowd = Withdrawal.objects.filter(pk__in=chosen).values_list("pk", "profile_id")
            removals.remove(audience, Sync.Purpose.CONSENT, crowd, now=now)
        Withdrawal.objects.filter(pk__in=keys).delete()
        if time.monotonic() > ends_at:
            return True
    return False
