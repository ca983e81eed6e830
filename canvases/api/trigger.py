"""Admit the recipients of an API call to a canvas at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from audiencesync.groups.models import AppGroup
from audiencesync.people.api import person_reference, track, track_objects
from audiencesync.people.api.person_reference import ObjectError
from audiencesync.people.changes import Change
from audiencesync.people.writing import live_marks, lookup
from audiencesync.people.writing.upsert import upsert
from canvases import engine
from canvases.models import Canvas

LONGEST_CONTEXT = 50_000  # bytes


@dataclass(slots=True)
class Triggered:
    """The number of entries, and errors by recipient.

    A profile outside the segment, or with a visit, does not enter; that is no error.
    """

    entered: int = 0
    processed: int = 0  # known recipients, whether they entered or not
    is_live: bool = True  # else nothing was written
    errors: list[dict[str, object]] = field(default_factory=list)


def trigger(canvas: Canvas, recipients: Sequence[Any], *, now: datetime) -> Triggered:
    """Write the attributes of the recipients, then admit them."""
    done = Triggered()
    read: list[tuple[int, Change, list[ObjectError]]] = []
    for index, item in enumerate(recipients):
        try:
            read.append((index, *_change(canvas.app_group, item)))
        except ObjectError as error:
            done.errors.append(error.as_dict("recipients", index))
    with transaction.atomic():
        done.is_live = engine.lock_live(canvas.pk)  # locks: canvases before profiles
        if not done.is_live:
            done.processed = len(read)
            return done
        found = upsert(canvas.app_group, [change for _index, change, _problems in read], now=now)
        live_marks.note(canvas.app_group_id, found.changed)
        people = {pk for pk in found.profile_ids if pk is not None}
        if people:
            done.entered = engine.admit_some(canvas.pk, people, now=now)
    for place, (index, _change_of_it, left_out) in enumerate(read):
        if problem := found.problems.get(place):
            errors = [ObjectError(*track.PROBLEMS[problem])]
        else:
            errors = [*left_out, *track.unfit(found.unfit.get(place, {}))]
            errors += [ObjectError(*track.KEPT, kind) for kind in found.kept.get(place, ())]
            done.processed += 1
        done.errors += [one.as_dict("recipients", index) for one in errors]
    done.errors.sort(key=lambda error: str(error["index"]).zfill(3))
    return done


def writes(recipients: Sequence[Any]) -> bool:
    """Return whether a call writes attributes or may create profiles."""
    return any(
        isinstance(one, dict)
        and (one.get("attributes") or one.get("send_to_existing_only") is False)
        for one in recipients
    )


def _change(app_group: AppGroup, item: Any) -> tuple[Change, list[ObjectError]]:
    """Return the change of one recipient, and the errors of left out fields. Raise ObjectError."""
    only_existing = (
        person_reference.boolean(person_reference.checked(item), "send_to_existing_only")
        is not False
    )
    attributes = item.get("attributes") or {}  # an empty list is PHP's spelling of an empty object
    if not isinstance(attributes, dict):
        raise ObjectError("NOT_AN_OBJECT", "It must be an object.", "attributes")
    for name in ("context", "canvas_entry_properties"):
        _check_context(name, item.get(name))
    fields, custom, problems = track_objects.attributes(attributes, app_group)
    who = _name(app_group, item)
    if "alias" in who and not only_existing:
        track_objects.check_clear(*who["alias"], app_group, field="user_alias")
    return Change(**who, fields=fields, attributes=custom, only_existing=only_existing), problems


def _check_context(name: str, context: object) -> None:
    """Raise ObjectError."""
    if context is not None and context != [] and not isinstance(context, dict):
        raise ObjectError("NOT_AN_OBJECT", "It must be an object.", name)
    if len(json.dumps(context)) > LONGEST_CONTEXT:
        raise ObjectError("TOO_LARGE", "The object is too large.", name)


def _name(app_group: AppGroup, item: Mapping[str, Any]) -> person_reference.Name:
    """Return the reference; its external id is called external_user_id here. Raise ObjectError."""
    name, order = (
        person_reference.read(item, id_field="external_user_id"),
        person_reference.prioritization(item),
    )
    key = lookup.key(Change(**name), region=app_group.phone_region)
    if order and key and key[0] in ("email", "phone"):
        chosen = lookup.find_preferred(app_group, key, order)
        return name if chosen is None else {"profile_id": chosen}
    return name
