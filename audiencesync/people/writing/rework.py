"""Apply changed settings of a group to its profiles: the consent attribute, hash-only storage."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audiencesync.core import chunks
from audiencesync.groups.models import AppGroup
from audiencesync.people.models.imports import RejectPart
from audiencesync.people.models.people import KINDS, Profile
from audiencesync.people.privacy.consent import after_change, record_withdrawals
from audiencesync.people.writing import live_marks, rehash

AT_ONCE = 5000  # profiles of a chunk
CHUNKS = 20  # chunks of one group before the next group has its turn


def rework(*, seconds: float = math.inf) -> bool:
    """Continue to apply changed settings, chunk by chunk; return whether time ran out."""
    ends_at = time.monotonic() + seconds
    due_again = AppGroup.objects.filter(rework_again_at__lte=timezone.now(), rework_cursor=None)
    due_again.update(rework_cursor=0, rework_again_at=None)
    for group_id in AppGroup.objects.exclude(rework_cursor=None).values_list("pk", flat=True):
        for _turn in range(CHUNKS):
            has_more = _rework_chunk(group_id)
            if time.monotonic() > ends_at:
                return True
            if not has_more:
                break
    return False


def _rework_chunk(group_id: int) -> bool:
    """Rework the next chunk of a group; return whether there is more."""
    now = timezone.now()
    with transaction.atomic():
        # no_key: writers lock profiles and then refer to their group; a full lock on the group
        # would deadlock with them.
        app_group = AppGroup.objects.select_for_update(no_key=True).get(pk=group_id)
        if app_group.rework_cursor is None:
            return False
        profiles_to_lock = Profile.objects.filter(app_group=app_group).select_for_update(
            no_key=True
        )
        profiles = next(chunks.read(profiles_to_lock, AT_ONCE, after=app_group.rework_cursor), [])
        # Hashes are made from the raw values, so this comes before a hash-only group blanks them.
        rehash.rehash(app_group, [profile.pk for profile in profiles], now=now)
        _apply_settings(app_group, profiles, now=now)
        live_marks.note(app_group.pk, [profile.pk for profile in profiles])
        app_group.rework_cursor = profiles[-1].pk if len(profiles) == AT_ONCE else None
        if app_group.hash_only and app_group.rework_cursor is None:
            # The cells of rejected rows may hold addresses.
            RejectPart.objects.filter(run__app_group=app_group).delete()
        app_group.save(update_fields=["rework_cursor"])
    return app_group.rework_cursor is not None


def _apply_settings(group: AppGroup, profiles: list[Profile], *, now: datetime) -> None:
    # A few statements per chunk: row by row, 500,000 profiles blocked SQLite for an hour.
    chunk = Profile.objects.filter(pk__in=[profile.pk for profile in profiles])
    if group.hash_only:
        blank = dict.fromkeys(KINDS, "")
        chunk.exclude(**blank).update(**blank, updated_at=now)
    if not group.consent_attribute:
        return
    pks_by_consent: dict[bool | None, list[int]] = defaultdict(list)
    for profile in profiles:
        consent = after_change(group, profile.attributes, profile.ads_consent)
        if consent is not profile.ads_consent:
            pks_by_consent[consent].append(profile.pk)
    for consent, pks in pks_by_consent.items():
        Profile.objects.filter(pk__in=pks).update(ads_consent=consent, updated_at=now)
    record_withdrawals(group, pks_by_consent[False], now=now)
