"""Fit people to changed settings of their group: consent by an attribute, hashes only."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audiencesync.groups.models import AppGroup
from audiencesync.people.models.imports import RejectPart
from audiencesync.people.models.people import KINDS, Profile
from audiencesync.people.privacy.consent import followed, remember
from audiencesync.people.writing import rehash

AT_ONCE = 5000


CHUNKS = 20  # of one turn


def rework(*, seconds: float = math.inf) -> bool:
    """Go on fitting people to changed settings, a bounded stretch at a time; whether the time ended it."""
    ends_at = time.monotonic() + seconds
    once_more = AppGroup.objects.filter(rework_again_at__lte=timezone.now(), rework_cursor=None)
    once_more.update(rework_cursor=0, rework_again_at=None)
    for group_id in AppGroup.objects.exclude(rework_cursor=None).values_list("pk", flat=True):
        for _turn in range(CHUNKS):
            has_more = _rework(group_id)
            if time.monotonic() > ends_at:
                return True
            if not has_more:
                break
    return False


def _rework(group_id: int) -> bool:
    """The next stretch of a group; whether there is more."""
    now = timezone.now()
    with transaction.atomic():
        # no_key: writers hold people and then refer to their group; a full lock on it would wait for them in a circle
        group = AppGroup.objects.select_for_update(no_key=True).get(pk=group_id)
        if group.rework_cursor is None:
            return False
        mine = Profile.objects.filter(app_group=group, pk__gt=group.rework_cursor)
        people = list(mine.select_for_update(no_key=True).order_by("pk")[:AT_ONCE])
        rehash.rehash(group, [person.pk for person in people], now=now)
        _fit(group, people, now=now)
        group.rework_cursor = people[-1].pk if len(people) == AT_ONCE else None
        if group.hash_only and group.rework_cursor is None:
            RejectPart.objects.filter(run__app_group=group).delete()  # their cells may name people
        group.save(update_fields=["rework_cursor"])
    return group.rework_cursor is not None


def _fit(group: AppGroup, people: list[Profile], *, now: datetime) -> None:
    """A handful of statements: row by row, half a million people kept everybody else waiting for an hour on SQLite."""
    mine = Profile.objects.filter(pk__in=[person.pk for person in people])
    if group.hash_only:
        blank = dict.fromkeys(KINDS, "")
        mine.exclude(**blank).update(**blank, updated_at=now)
    if not group.consent_attribute:
        return
    changed: dict[bool | None, list[int]] = defaultdict(list)
    for person in people:
        told = followed(group, person.attributes, person.ads_consent)
        if told is not person.ads_consent:
            changed[told].append(person.pk)
    for told, pks in changed.items():
        Profile.objects.filter(pk__in=pks).update(ads_consent=told, updated_at=now)
    remember(group, changed[False], now=now)
