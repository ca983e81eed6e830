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

MOST_VALUES = 2000  # in one statement that counts several segments
CONFIRMED = 0.2  # a greater change of the people of a live canvas is asked about
COUNT_SECONDS = 2.0  # for all segments of a page together
KEPT_SECONDS = 30


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
    app_group: AppGroup, *, name: str, chosen: dict[str, Any], by: User, description: str = ""
) -> Segment:
    """Save a new segment. Raise NameTaken, or FilterError for what its filter refers to."""
    try:
        with transaction.atomic():
            _check(chosen, app_group)
            texts = {"name": name, "description": description}
            segment = Segment.objects.create(
                app_group=app_group, **texts, filter=chosen, created_by=by
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
    chosen: dict[str, Any],
    version: int,
    by: User,
    now: datetime,
) -> None:
    """Change a segment that is still at ``version``.

    Raise Stale, NameTaken or FilterError, without a change.
    """
    same = Segment.objects.filter(pk=segment.pk, version=version)
    try:
        with transaction.atomic():
            _check(chosen, segment.app_group, segment)
            before = same.first()
            new = {"name": name, "description": description, "filter": chosen, "updated_at": now}
            if before is None or not same.update(**new, version=F("version") + 1):
                raise Stale
            if before.filter != chosen:
                live.segment_saved(segment, now)
            texts = [
                (_("Name"), before.name, name),
                (_("Description"), before.description, description),
            ]
            changes = [*texts, _conditions(before.filter, chosen)]
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


def change_to_confirm(segment: Segment, chosen: dict[str, Any], *, token: str) -> LiveChange | None:
    """Return a change of more than a fifth of the people of a live canvas that must be confirmed.

    ``token``: of the change that was confirmed; a greater one is asked about again.
    """
    if segment.filter == chosen:
        return None
    found = live.difference(segment, chosen)
    if found is None:
        return None if token == LiveChange().token else LiveChange()
    leave, _sign, join = token.partition("-")
    shown = [sent_numbers.whole(part) for part in (leave, join)]
    real = (found.leave, found.join)
    if all(most is not None and n <= most for n, most in zip(real, shown, strict=True)):
        return None
    is_live = found.leave or found.join
    return LiveChange(found.leave, found.join) if is_live and found.share > CONFIRMED else None


def _check(chosen: Any, app_group: AppGroup, segment: Segment | None = None) -> None:
    """Check the references of a filter under the lock of the group. Raise FilterError."""
    if filters.refers(chosen):
        _lock(app_group.pk)
        filters.check(chosen, app_group, segment=segment)


def _lock(app_group_id: int) -> None:
    """Let nothing else save a reference to a segment, or delete a segment, meanwhile."""
    AppGroup.objects.select_for_update(no_key=True).get(pk=app_group_id)


def _conditions(before: Any, after: Any) -> LoggedChange:
    """Return the old and new field names for the log; values may be customer data."""
    old, new = (", ".join(fields_of(one)) for one in (before, after))
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
            # Left behind by a canvas that named the segment when it was stopped.
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


def naming(app_group: AppGroup, people: Iterable[int]) -> list[Segment]:
    """Return the segments with a condition on one of these people; it would outlive an erasure."""
    known = Profile.objects.filter(pk__in=list(people)).values_list("external_id", "email_sha256")
    ids, digests = set(), set()
    for external_id, digest in known:
        ids.add(external_id)
        digests.add(None if digest is None else bytes(digest))
    found = []
    for segment in Segment.objects.filter(app_group=app_group).order_by("name", "pk"):
        named = set(filters.values_of(segment.filter, "external_id"))
        hashed = {
            filters.whole_email(value) for value in filters.values_of(segment.filter, "email")
        } - {None}
        if named & (ids - {None}) or hashed & digests:
            found.append(segment)
    return found


def counts(segments: list[Segment]) -> dict[int, int | None]:
    """Return segment id -> number of people; None if the filter is unreadable or time ran out.

    One statement if the lists are short, else one by one, the shortest first, within two seconds.
    Counts are cached for half a minute; a missing one is counted at the next request.
    """
    keys = {segment.pk: f"segment-n-{segment.pk}-{segment.version}" for segment in segments}
    kept = cache.get_many(keys.values())
    found: dict[int, int | None] = {pk: kept.get(key) for pk, key in keys.items()}
    missing = sorted((one for one in segments if found[one.pk] is None), key=_weight)
    ends_at = time.monotonic() + COUNT_SECONDS
    new: dict[int, int] = {}
    if sum(map(_weight, missing)) <= MOST_VALUES:
        new = _counted(missing, seconds=COUNT_SECONDS / 2)
    for segment in missing if not new else ():
        new |= _counted([segment], seconds=ends_at - time.monotonic())
    cache.set_many({keys[pk]: n for pk, n in new.items()}, KEPT_SECONDS)
    return found | new


def _weight(segment: Segment) -> int:
    """Return how many values the filter compares with."""
    return filters.size(segment.filter)


def _counted(segments: list[Segment], *, seconds: float) -> dict[int, int]:
    """Return the counts that one statement finds in time."""
    wanted: dict[str, Any] = {}
    known = filters.known_to(segment.filter for segment in segments)
    for segment in segments:
        with suppress(filters.FilterError):
            chosen = filters.parse(segment.filter, known=known, app_group=segment.app_group_id)
            wanted[f"n{segment.pk}"] = Count("pk", filter=chosen) if segment.filter else Count("pk")
    if not wanted or seconds <= 0:
        return {}
    try:
        with at_most(seconds):
            counted = Profile.objects.filter(app_group=segments[0].app_group_id).aggregate(**wanted)
    except TooSlow:
        return {}
    return {int(name[1:]): n for name, n in counted.items()}
