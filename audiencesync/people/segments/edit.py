"""Create, change and delete segments, and count the people in each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import IntegrityError, models, transaction
from django.db.models import Count, F
from django.utils.translation import gettext_lazy as _

from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.core.web import sent_numbers
from audiencesync.groups.logged_changes import LoggedChange
from audiencesync.groups.models import Activity, AppGroup, User
from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.live import Subscription
from audiencesync.people.segments import filters, live
from audiencesync.people.segments.nodes import (
    Condition,
    EventCondition,
    Leaf,
    SegmentCondition,
    leaves,
)
from audiencesync.people.segments.uses import usage

MOST_VALUES = 2000  # values to compare with in one statement that counts several segments
CONFIRM_ABOVE = 0.2  # changes per member above which a change in a live canvas must be confirmed
COUNT_SECONDS = 2.0  # for all segments of a page together
CACHE_SECONDS = 30


class Stale(Exception):
    """The segment was saved by another request after this edit started."""


class NameTaken(Exception):
    """Another segment of the group has this name."""


class InUse(Exception):
    """The segment is still in use; ``users`` says by what."""

    def __init__(self, users: list[str]) -> None:
        super().__init__()
        self.users = users


def create(
    app_group: AppGroup, *, name: str, raw_filter: dict[str, Any], by: User, description: str = ""
) -> Segment:
    """Save a new segment. Raise NameTaken, or FilterError if its filter has a bad reference."""
    try:
        with transaction.atomic():
            _check(raw_filter, app_group)
            texts = {"name": name, "description": description}
            segment = Segment.objects.create(
                app_group=app_group, **texts, filter=raw_filter, created_by=by
            )
            Activity.log(app_group, by, Activity.Verb.CREATED, name, kind=Activity.Kind.SEGMENT)
    except IntegrityError as error:
        raise NameTaken from error
    return segment


def save(
    segment: Segment,
    *,
    name: str,
    description: str,
    raw_filter: dict[str, Any],
    version: int,
    by: User,
    now: datetime,
) -> None:
    """Change a segment that is still at ``version``.

    Raise Stale, NameTaken or FilterError, without a change.
    """
    unchanged = Segment.objects.filter(pk=segment.pk, version=version)
    try:
        with transaction.atomic():
            _check(raw_filter, segment.app_group, segment)
            stored = unchanged.first()
            new_values = {
                "name": name,
                "description": description,
                "filter": raw_filter,
                "updated_at": now,
            }
            if stored is None or not unchanged.update(**new_values, version=F("version") + 1):
                raise Stale
            if stored.filter != raw_filter:
                live.segment_saved(segment, now)
            text_changes = [
                (_("Name"), stored.name, name),
                (_("Description"), stored.description, description),
            ]
            changes = [*text_changes, _conditions_change(stored.filter, raw_filter)]
            kind = Activity.Kind.SEGMENT
            Activity.log(
                segment.app_group, by, Activity.Verb.CHANGED, name, kind=kind, changes=changes
            )
    except IntegrityError as error:
        raise NameTaken from error


@dataclass(frozen=True, slots=True)
class LiveChange:
    """What an edit would do in live canvases; None: counting took too long."""

    leave: int | None = None
    join: int | None = None

    @property
    def token(self) -> str:
        """Return what a confirmation of this change sends."""
        return "unknown" if self.leave is None else f"{self.leave}-{self.join}"


def change_to_confirm(
    segment: Segment, raw_filter: dict[str, Any], *, token: str
) -> LiveChange | None:
    """Return the change of people in live canvases if it must be confirmed, else None.

    ``token``: of the change that the user has confirmed. A greater change must be confirmed again.
    """
    if segment.filter == raw_filter:
        return None
    difference = live.difference(segment, raw_filter)
    if difference is None:
        return None if token == LiveChange().token else LiveChange()
    leave, _sign, join = token.partition("-")
    confirmed = [sent_numbers.whole(part) for part in (leave, join)]
    counted = (difference.leave, difference.join)
    if all(
        limit is not None and count <= limit
        for count, limit in zip(counted, confirmed, strict=True)
    ):
        return None
    is_live = difference.leave or difference.join
    return (
        LiveChange(difference.leave, difference.join)
        if is_live and difference.share > CONFIRM_ABOVE
        else None
    )


def _check(raw_filter: Any, app_group: AppGroup, segment: Segment | None = None) -> None:
    """Check the references of a filter under the lock of the group. Raise FilterError."""
    if filters.has_references(raw_filter):
        _lock(app_group.pk)
        filters.check(raw_filter, app_group, segment=segment)


def _lock(app_group_id: int) -> None:
    """Lock the group, so that no other request saves a reference or deletes a segment meanwhile."""
    AppGroup.objects.select_for_update(no_key=True).get(pk=app_group_id)


def _conditions_change(before: Any, after: Any) -> LoggedChange:
    """Return the old and new field names for the log; values may be customer data."""
    old, new = (", ".join(fields_of(raw_filter)) for raw_filter in (before, after))
    return (
        _("Conditions"),
        old,
        _("the same fields, other values") if old == new and before != after else new,
    )


def fields_of(raw: Any) -> list[str]:
    """Return the names of a filter's fields, in order; none if it cannot be read."""
    try:
        tree = leaves(filters.read(raw))
    except filters.FilterError:
        return []
    return sorted(set(map(_field, tree)))


def _field(leaf: Leaf) -> str:
    """Return the name of what a condition compares."""
    if isinstance(leaf, Condition):
        return leaf.field.removeprefix(filters.CUSTOM)
    if isinstance(leaf, EventCondition):
        return leaf.name or leaf.kind
    return "segment" if isinstance(leaf, SegmentCondition) else "audience"


def remove(segment: Segment, *, by: User) -> None:
    """Delete a segment that nothing uses. Raise InUse."""
    try:
        with transaction.atomic():
            _lock(segment.app_group_id)
            if not Segment.objects.filter(pk=segment.pk).exists():
                return  # another request has deleted it meanwhile
            if uses := usage.direct(segment):
                raise InUse([use.name for use in uses])
            # Paused subscriptions are left over from canvases that named the segment until they
            # stopped.
            Subscription.objects.filter(segment=segment, is_paused=True).delete()
            segment.delete()
            Activity.log(
                segment.app_group,
                by,
                Activity.Verb.REMOVED,
                segment.name,
                kind=Activity.Kind.SEGMENT,
            )
    except models.ProtectedError as error:
        raise InUse(sorted({str(user) for user in error.protected_objects})) from error


def segments_about(app_group: AppGroup, profile_ids: Iterable[int]) -> list[Segment]:
    """Return the segments whose filter names one of these people, even after their erasure."""
    identifiers = Profile.objects.filter(pk__in=list(profile_ids)).values_list(
        "external_id", "email_sha256"
    )
    external_ids, digests = set(), set()
    for external_id, digest in identifiers:
        external_ids.add(external_id)
        digests.add(None if digest is None else bytes(digest))
    segments = []
    for segment in Segment.objects.filter(app_group=app_group).order_by("name", "pk"):
        named_ids = set(filters.values_of(segment.filter, "external_id"))
        named_digests = {
            filters.whole_email(value) for value in filters.values_of(segment.filter, "email")
        } - {None}
        if named_ids & (external_ids - {None}) or named_digests & digests:
            segments.append(segment)
    return segments


def counts(segments: list[Segment]) -> dict[int, int | None]:
    """Return segment id -> number of people; None if the filter is unreadable or time ran out.

    One statement counts all if their lists of values are short. Otherwise they are counted one by
    one, the shortest first, within two seconds.
    Counts are cached for half a minute; a missing one is counted at the next request.
    """
    keys = {segment.pk: f"segment-n-{segment.pk}-{segment.version}" for segment in segments}
    cached = cache.get_many(keys.values())
    known_counts: dict[int, int | None] = {pk: cached.get(key) for pk, key in keys.items()}
    uncounted = sorted(
        (segment for segment in segments if known_counts[segment.pk] is None), key=_n_values
    )
    ends_at = time.monotonic() + COUNT_SECONDS
    new_counts: dict[int, int] = {}
    if sum(map(_n_values, uncounted)) <= MOST_VALUES:
        new_counts = _count_in_time(uncounted, seconds=COUNT_SECONDS / 2)
    # With too many values, or if one statement was too slow, each segment is counted alone.
    for segment in uncounted if not new_counts else ():
        new_counts |= _count_in_time([segment], seconds=ends_at - time.monotonic())
    cache.set_many({keys[pk]: n for pk, n in new_counts.items()}, CACHE_SECONDS)
    return known_counts | new_counts


def _n_values(segment: Segment) -> int:
    """Return how many values the filter compares with."""
    return filters.n_values(segment.filter)


def _count_in_time(segments: list[Segment], *, seconds: float) -> dict[int, int]:
    """Return the counts that one statement finds in time."""
    aggregates: dict[str, Any] = {}
    referenced = filters.load_segments(segment.filter for segment in segments)
    for segment in segments:
        with suppress(filters.FilterError):
            query = filters.parse(
                segment.filter, segments=referenced, app_group=segment.app_group_id
            )
            aggregates[f"n{segment.pk}"] = (
                Count("pk", filter=query) if segment.filter else Count("pk")
            )
    if not aggregates or seconds <= 0:
        return {}
    try:
        with at_most(seconds):
            counts = Profile.objects.filter(app_group=segments[0].app_group_id).aggregate(
                **aggregates
            )
    except TooSlow:
        return {}
    return {int(name[1:]): n for name, n in counts.items()}
