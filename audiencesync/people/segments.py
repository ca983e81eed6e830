"""Making, changing and removing segments; how many people are in each now."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, models, transaction
from django.db.models import Count, F
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.changes import Change
from audiencesync.groups.models import Activity, AppGroup, User
from audiencesync.people import filters
from audiencesync.people.models import Profile, Segment


class Stale(Exception):
    """Somebody saved the segment since the version that this edit started from."""


class NameTaken(Exception):
    """Another segment of the group has this name."""


class InUse(Exception):
    """Something still asks for the people in this segment; ``users`` says what."""

    def __init__(self, users: list[str]) -> None:
        super().__init__()
        self.users = users


def create(app_group: AppGroup, *, name: str, chosen: dict[str, Any], by: User) -> Segment:
    """Save a new segment. Raises NameTaken."""
    try:
        with transaction.atomic():
            segment = Segment.objects.create(app_group=app_group, name=name, filter=chosen, created_by=by)
            Activity.log(app_group, by, Activity.Verb.CREATED, name, kind=Activity.Kind.SEGMENT)
    except IntegrityError as error:
        raise NameTaken from error
    return segment


def save(segment: Segment, *, name: str, chosen: dict[str, Any], version: int, by: User, now: datetime) -> None:
    """Change a segment that is still at ``version``. Raises Stale or NameTaken, then nothing was changed."""
    same = Segment.objects.filter(pk=segment.pk, version=version)
    try:
        with transaction.atomic():
            before = same.first()
            if before is None or not same.update(name=name, filter=chosen, updated_at=now, version=F("version") + 1):
                raise Stale
            changes = [(_("Name"), before.name, name), _conditions(before.filter, chosen)]
            kind = Activity.Kind.SEGMENT
            Activity.log(segment.app_group, by, Activity.Verb.CHANGED, name, kind=kind, changes=changes)
    except IntegrityError as error:
        raise NameTaken from error


def _conditions(before: Any, after: Any) -> Change:
    """Which fields the conditions ask for; the values stay out of the log, as they may be data of a customer."""
    old, new = (", ".join(_fields_of(one)) for one in (before, after))
    return _("Conditions"), old, _("the same fields, other values") if old == new and before != after else new


def _fields_of(raw: Any) -> list[str]:
    """The names of the fields that a filter asks for, in order; none if it cannot be read."""
    try:
        waiting: list[filters.Group | filters.Condition] = [filters.read(raw)]
    except filters.FilterError:
        return []
    found: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, filters.Condition):
            found.add(node.field.removeprefix(filters.CUSTOM))
        else:
            waiting += node.parts
    return sorted(found)


def remove(segment: Segment, *, by: User) -> None:
    """Delete a segment. Raises InUse."""
    try:
        with transaction.atomic():
            segment.delete()
            Activity.log(segment.app_group, by, Activity.Verb.REMOVED, segment.name, kind=Activity.Kind.SEGMENT)
    except models.ProtectedError as error:
        raise InUse(sorted({str(user) for user in error.protected_objects})) from error


def counts(segments: list[Segment]) -> dict[int, int | None]:
    """How many people are in each of one group's segments now, in one query; None if its filter cannot be read."""
    found: dict[int, int | None] = {segment.pk: None for segment in segments}
    wanted: dict[str, Any] = {}
    for segment in segments:
        try:
            wanted[f"n{segment.pk}"] = (
                Count("pk", filter=filters.parse(segment.filter)) if segment.filter else Count("pk")
            )
        except filters.FilterError:
            continue
    if wanted:
        counted = Profile.objects.filter(app_group=segments[0].app_group_id).aggregate(**wanted)
        found |= {int(name[1:]): n for name, n in counted.items()}
    return found
