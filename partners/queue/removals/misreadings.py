"""Remove hashes of misread addresses from audiences: a former normalising rule made these hashes.

The person stays in the audience with the right hashes, and the removal must not supersede their
adds. So the removal has a profile of its own, which has only the hash and is merged into the
person's profile.
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

MISREADINGS_PER_TURN = 500
Hash = tuple[int, str, bytes]  # app group, kind, SHA-256


def act(*, now: datetime, seconds: float = math.inf) -> bool:
    """Act on misreadings of groups whose rework is complete. Return whether time ran out.

    The rework hashes the identifiers of all profiles by the present rule. Before its end, a profile
    may still hold the misread hash of another one, and would count as the true owner of it.
    """
    ends_at = time.monotonic() + seconds
    ready = Misreading.objects.filter(app_group__rework_cursor=None).order_by("pk")
    while rows := list(ready[:MISREADINGS_PER_TURN]):
        with transaction.atomic():
            locked = list(
                ready.select_for_update(of=("self",)).filter(pk__in=[row.pk for row in rows])
            )
            _queue_removals(locked, now=now)
            Misreading.objects.filter(pk__in=[row.pk for row in locked]).delete()
        if time.monotonic() > ends_at:
            return True
    return False


def _queue_removals(misreadings: Sequence[Misreading], *, now: datetime) -> None:
    """Queue the removal of each hash from each audience that may have it through this person."""
    to_remove = _by_audience(misreadings)
    profile_of = _make_profiles(
        {row.pk: row for rows in to_remove.values() for row in rows}, now=now
    )
    for audience, rows in sorted(to_remove.items()):
        profiles = Profile.everybody.filter(pk__in=[profile_of[row.pk] for row in rows])
        if rows:
            # The entry key of each removal is the id of its profile.
            people = profiles.annotate(profile_id=F("pk")).values_list("pk", "profile_id")
            removal.remove(audience, Sync.Purpose.MISREAD, people, now=now)


def _by_audience(misreadings: Sequence[Misreading]) -> dict[int, list[Misreading]]:
    """Return audience id -> the misread hashes to remove from it."""
    to_remove: dict[int, list[Misreading]] = defaultdict(list)
    owned = _owned(misreadings)
    for kind in {row.kind for row in misreadings}:
        of_kind = [row for row in misreadings if row.kind == kind]
        person_of = family([row.profile_id for row in of_kind])
        for audience, profiles in removal.audiences_of(list(person_of), kind=kind).items():
            people = {person_of[pk] for pk in profiles}
            to_remove[audience] += [
                row
                for row in of_kind
                if row.profile_id in people and audience not in owned[_hash_of(row)]
            ]
    return to_remove


def _hash_of(row: Misreading) -> Hash:
    return row.app_group_id, row.kind, bytes(row.sha256)


def _owned(misreadings: Sequence[Misreading]) -> dict[Hash, set[int]]:
    """Return hash -> audiences that got it from a profile that has it by the present rule."""
    owned: dict[Hash, set[int]] = defaultdict(set)
    for kind in {row.kind for row in misreadings}:
        keys = {_hash_of(row) for row in misreadings if row.kind == kind}
        groups = {group for group, _kind, _hash in keys}
        hashes = [sha256 for _group, _kind, sha256 in keys]
        column = f"{kind}_sha256"
        profiles = Profile.objects.filter(Q(**{f"{column}__in": hashes}), app_group__in=groups)
        owners = {
            pk: (group, kind, bytes(sha256))
            for pk, group, sha256 in profiles.values_list("pk", "app_group", column)
        }
        for audience, owner_ids in removal.audiences_of(list(owners), kind=kind).items():
            for pk in owner_ids:
                owned[owners[pk]].add(audience)
    return owned


def _make_profiles(misreadings: dict[int, Misreading], *, now: datetime) -> dict[int, int]:
    """Return misreading id -> id of a new profile that has only its hash.

    The new profile is merged into the person's profile, so that both are deleted together.
    """
    rows: Iterable[Misreading] = list(misreadings.values())
    profiles = Profile.everybody.bulk_create(
        Profile(
            app_group_id=row.app_group_id,
            merged_into_id=row.profile_id,
            ads_consent=False,
            created_at=now,
        )
        for row in rows
    )
    PastIdentifier.objects.bulk_create(
        PastIdentifier(profile=profile, kind=row.kind, sha256=row.sha256, replaced_at=now)
        for profile, row in zip(profiles, rows, strict=True)
    )
    return {row.pk: profile.pk for profile, row in zip(profiles, rows, strict=True)}
