"""Remove hashes of misread addresses, made by an old rule of reading, from audiences.

The person stays in the audience with the right hashes, and the removal must not supersede their
adds. So the removal has a profile of its own, merged into theirs, which has only the hash.
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
from partners.queue.removals import removal

AT_ONCE = 500
Hash = tuple[int, str, bytes]  # app group, kind, SHA-256


def act(*, now: datetime, seconds: float = math.inf) -> bool:
    """Act on misreadings of groups that were read again. Return whether the time ended it.

    Not of other groups: there, another person may still have the same hash by misreading.
    """
    ends_at = time.monotonic() + seconds
    ready = Misreading.objects.filter(app_group__rework_cursor=None).order_by("pk")
    while some := list(ready[:AT_ONCE]):
        with transaction.atomic():
            found = list(
                ready.select_for_update(of=("self",)).filter(pk__in=[one.pk for one in some])
            )
            _queue_removals(found, now=now)
            Misreading.objects.filter(pk__in=[one.pk for one in found]).delete()
        if time.monotonic() > ends_at:
            return True
    return False


def _queue_removals(found: Sequence[Misreading], *, now: datetime) -> None:
    """Queue the removal of each hash from each audience that may have it through this person."""
    wanted = _by_audience(found)
    profile_of = _make_profiles({one.pk: one for some in wanted.values() for one in some}, now=now)
    for audience, some in sorted(wanted.items()):
        chosen = Profile.everybody.filter(pk__in=[profile_of[one.pk] for one in some]).annotate(
            profile_id=F("pk")
        )
        if some:
            people = chosen.values_list("pk", "profile_id")
            removal.remove(audience, Sync.Purpose.MISREAD, people, now=now)


def _by_audience(found: Sequence[Misreading]) -> dict[int, list[Misreading]]:
    """Return audience id -> the misread hashes to remove from it."""
    wanted: dict[int, list[Misreading]] = defaultdict(list)
    owned = _owned(found)
    for kind in {one.kind for one in found}:
        of_kind = [one for one in found if one.kind == kind]
        person_of = family([one.profile_id for one in of_kind])
        for audience, profiles in removal.audiences_of(list(person_of), kind=kind).items():
            people = {person_of[pk] for pk in profiles}
            wanted[audience] += [
                one
                for one in of_kind
                if one.profile_id in people and audience not in owned[_hash_of(one)]
            ]
    return wanted


def _hash_of(one: Misreading) -> Hash:
    return one.app_group_id, one.kind, bytes(one.sha256)


def _owned(found: Sequence[Misreading]) -> dict[Hash, set[int]]:
    """Return hash -> audiences that got it from its true owner."""
    owned: dict[Hash, set[int]] = defaultdict(set)
    for kind in {one.kind for one in found}:
        keys = {_hash_of(one) for one in found if one.kind == kind}
        groups = {group for group, _kind, _hash in keys}
        hashes = [sha256 for _group, _kind, sha256 in keys]
        column = f"{kind}_sha256"
        people = Profile.objects.filter(Q(**{f"{column}__in": hashes}), app_group__in=groups)
        owners = {
            pk: (group, kind, bytes(sha256))
            for pk, group, sha256 in people.values_list("pk", "app_group", column)
        }
        for audience, profiles in removal.audiences_of(list(owners), kind=kind).items():
            for pk in profiles:
                owned[owners[pk]].add(audience)
    return owned


def _make_profiles(found: dict[int, Misreading], *, now: datetime) -> dict[int, int]:
    """Return misreading -> a new profile that has only its hash and is deleted with the person."""
    wanted: Iterable[Misreading] = list(found.values())
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
