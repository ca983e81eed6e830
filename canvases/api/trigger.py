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

MAX_CONTEXT_BYTES = 50_000


@dataclass(slots=True)
class Triggered:
    """The number of entries, and errors by recipient.

    It is no error if a rule of the canvas keeps a profile out: its segment, re-entry, caps, exits.
    """

    entered: int = 0
    processed: int = 0  # recipients that were not rejected, whether they entered or not
    is_live: bool = True  # False: nothing was written
    errors: list[dict[str, Any]] = field(default_factory=list)


def trigger(canvas: Canvas, recipients: Sequence[Any], *, now: datetime) -> Triggered:
    """Write the attributes of the recipients, then admit them."""
    triggered = Triggered()
    changes: list[tuple[int, Change, list[ObjectError]]] = []
    for index, item in enumerate(recipients):
        try:
            changes.append((index, *_change(canvas.app_group, item)))
        except ObjectError as error:
            triggered.errors.append(error.as_dict("recipients", index))
    with transaction.atomic():
        triggered.is_live = engine.lock_live(canvas.pk)  # locks: canvases before profiles
        if not triggered.is_live:
            triggered.processed = len(changes)
            return triggered
        upserted = upsert(
            canvas.app_group, [change for _index, change, _left_out in changes], now=now
        )
        live_marks.note(canvas.app_group_id, upserted.changed)
        people = {pk for pk in upserted.profile_ids if pk is not None}
        if people:
            triggered.entered = engine.admit_some(canvas.pk, people, now=now)
    for position, (index, _change_of_one, left_out) in enumerate(changes):
        if problem := upserted.problems.get(position):
            errors = [ObjectError(*track.PROBLEMS[problem])]
        else:
            errors = [*left_out, *track.attribute_errors(upserted.unfit.get(position, {}))]
            errors += [
                ObjectError(*track.UNUSABLE_VALUE, kind) for kind in upserted.kept.get(position, ())
            ]
            triggered.processed += 1
        triggered.errors += [one.as_dict("recipients", index) for one in errors]
    triggered.errors.sort(key=lambda error: error["index"])
    return triggered


def writes(recipients: Sequence[Any]) -> bool:
    """Return whether a call may write profiles, for which it needs the scope users.track."""
    return any(
        isinstance(recipient, dict)
        and (recipient.get("attributes") or recipient.get("send_to_existing_only") is False)
        for recipient in recipients
    )


def _change(app_group: AppGroup, item: Any) -> tuple[Change, list[ObjectError]]:
    """Return the change of one recipient, and the errors of left out fields. Raise ObjectError."""
    item = person_reference.require_object(item)
    # Only an explicit false lets this create a person.
    only_existing = person_reference.boolean(item, "send_to_existing_only") is not False
    attributes = item.get("attributes") or {}  # an empty list is PHP's spelling of an empty object
    if not isinstance(attributes, dict):
        raise ObjectError("NOT_AN_OBJECT", "It must be an object.", "attributes")
    for name in ("context", "canvas_entry_properties"):
        _check_context(name, item.get(name))
    fields, custom, left_out = track_objects.attributes(attributes, app_group)
    reference = _reference(app_group, item)
    if "alias" in reference and not only_existing:  # the alias of a new person would be stored
        track_objects.refuse_addresses(*reference["alias"], app_group, field="user_alias")
    change = Change(**reference, fields=fields, attributes=custom, only_existing=only_existing)
    return change, left_out


def _check_context(name: str, context: object) -> None:
    """Raise ObjectError for a context that is no object or too large. No context is stored."""
    if context is not None and context != [] and not isinstance(context, dict):
        raise ObjectError("NOT_AN_OBJECT", "It must be an object.", name)
    if len(json.dumps(context)) > MAX_CONTEXT_BYTES:
        raise ObjectError("TOO_LARGE", "The object is too large.", name)


def _reference(app_group: AppGroup, item: Mapping[str, Any]) -> person_reference.Name:
    """Return the reference; its external id is called external_user_id here. Raise ObjectError.

    If several people have the e-mail or phone, ``prioritization`` selects one; without it, `upsert`
    does.
    """
    reference = person_reference.read(item, id_field="external_user_id")
    order = person_reference.prioritization(item)
    key = lookup.key(Change(**reference), region=app_group.phone_region)
    if order and key and key[0] in ("email", "phone"):
        profile_id = lookup.find_preferred(app_group, key, order)
        return reference if profile_id is None else {"profile_id": profile_id}
    return reference
