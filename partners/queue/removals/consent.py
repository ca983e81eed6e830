"""Act on withdrawn consents: cancel waiting adds, and remove people where the group says so."""

from __future__ import annotations

import math
import time
from datetime import datetime

from audiencesync.people.models import Withdrawal
from audiencesync.people.writing.identify import family
from partners.models import Reason, Sync
from partners.queue.removals import removal

WITHDRAWALS_PER_TURN = 500


def act(*, now: datetime, seconds: float = math.inf) -> bool:
    """Act on the stored withdrawals. Return whether time ran out."""
    ends_at = time.monotonic() + seconds
    while rows := list(
        Withdrawal.objects.select_related("app_group").order_by("pk")[:WITHDRAWALS_PER_TURN]
    ):
        _act(rows, now=now)
        if time.monotonic() > ends_at:
            return True
    return False


def _act(rows: list[Withdrawal], *, now: datetime) -> None:
    row_ids = [row.pk for row in rows]
    # People who have consented again meanwhile are left alone.
    still_withdrawn = set(
        Withdrawal.objects.filter(pk__in=row_ids)
        .exclude(profile__ads_consent=True)
        .values_list("pk", flat=True)
    )
    by_profile = {row.profile_id: row for row in rows if row.pk in still_withdrawn}
    # family() adds the profiles that were merged into these.
    removal.cancel_adds(sorted(family(list(by_profile))), Reason.NO_CONSENT, now=now)
    to_remove = {pk: row.pk for pk, row in by_profile.items() if row.app_group.remove_on_withdrawal}
    person_of = family(list(to_remove))
    for audience, profiles in sorted(removal.audiences_of(list(person_of)).items()):
        withdrawal_ids = {to_remove[person_of[pk]] for pk in profiles}
        people = Withdrawal.objects.filter(pk__in=withdrawal_ids).values_list("pk", "profile_id")
        removal.remove(audience, Sync.Purpose.CONSENT, people, now=now)
    Withdrawal.objects.filter(pk__in=row_ids).delete()
