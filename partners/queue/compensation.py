"""Takes hashes out of audiences that were sent for somebody and are not theirs: the old rule had misread their address.

The person stays in the audience with what is theirs, so the removal is nobody's wish about them: it is asked for a profile
of its own that is merged into theirs and has nothing but the hash, and overtakes none of their adds.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q

from audiencesync.people.models import Misreading, PastIdentifier, Profile
from audiencesync.people.writing.identify import family
from partners.models import Sync
from partners.queue import removals

AT_ONCE = 500
Hash = tuple[int, str, bytes]  # app group, kind, SHA-256


def settle(*, now: datetime, seconds: float = math.inf) -> bool:
    """Act on misreadings of groups whose people have all been read again; whether the time ended it.

    Not before: until then the same hash may be another person's only because they are misread as well.
    """
    ends_at = time.monotonic() + seconds
    ready = Misreading.objects.filter(app_group__rework_cursor=None).order_by("pk")
    while some := list(ready[:AT_ONCE]):
        with transaction.atomic():
            found = list(
                ready.select_for_update(of=("self",)).filter(pk__in=[one.pk for one in some])
            )
            _take_out(found, now=now)
            Misreading.objects.filter(pk__in=[one.pk for one in found]).delete()
        if time.monotonic() > ends_at:
            return True
    return False


def _take_out(found: Sequence[Misreading], *, now: datetime) -> None:
    """Queue the removal of each hash from each audience that its person was sent to with such an identifier."""
    wanted: dict[int, list[Misreading]] = defaultdict(list)  # audience id -> what to take out
    owned = _owned(found)
    for kind in {one.kind for one in found}:
        mine = [one for one in found if one.kind == kind]
        who = family([one.profile_id for one in mine])
        for audience, people in removals.places(list(who), kind=kind).items():
            theirs = {who[pk] for pk in people}
            wanted[audience] += [
                one
                for one in mine
                if one.profile_id in theirs and audience not in owned[_hash_of(one)]
            ]
    stands_for = _stand_ins(
        {one.pk: one for some in wanted.values() for one in some}.values(), now=now
    )
    for audience, some in sorted(wanted.items()):
        chosen = Profile.everybody.filter(pk__in=[stands_for[one.pk] for one in some]).annotate(
            profile_id=F("pk")
        )
        if some:
            removals.remove(
                audience, Sync.Purpose.MISREAD, chosen.values_list("pk", "profile_id"), now=now
            )


def _hash_of(one: Misreading) -> Hash:
    return one.app_group_id, one.kind, bytes(one.sha256)


def _owned(found: Sequence[Misreading]) -> dict[Hash, set[int]]:
    """Hash -> audiences to which its true owner was sent, if the group knows one: there it stays."""
    owned: dict[Hash, set[int]] = defaultdict(set)
    for kind in {one.kind for one in found}:
        mine = {_hash_of(one) for one in found if one.kind == kind}
        groups, hashes = (
            {group for group, _kind, _hash in mine},
            [sha256 for _group, _kind, sha256 in mine],
        )
        column = f"{kind}_sha256"
        people = Profile.objects.filter(Q(**{f"{column}__in": hashes}), app_group__in=groups)
        owners = {
            pk: (group, kind, bytes(sha256))
            for pk, group, sha256 in people.values_list("pk", "app_group", column)
        }
        for audience, theirs in removals.places(list(owners), kind=kind).items():
            for pk in theirs:
                owned[owners[pk]].add(audience)
    return owned


def _stand_ins(found: Iterable[Misreading], *, now: datetime) -> dict[int, int]:
    """Misreading -> id of a profile that has its hash and nothing else, and goes when the person goes."""
    wanted = list(found)
    made = Profile.everybody.bulk_create(
        Profile(
            app_group_id=one.app_group_id,
            merged_into_id=one.profile_id,
            ads_consent=False,
            created_at=now,
        )
        for one in wanted
    )
    PastIdentifier.objects.bulk_create(
        PastIdentifier(profile=profile, kind=one.kind, sha256=one.sha256, replaced_at=now)
        for profile, one in zip(made, wanted, strict=True)
    )
    return {one.pk: profile.pk for profile, one in zip(made, wanted, strict=True)}
