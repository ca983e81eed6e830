"""Apply one body of ``/users/track``.

Each object is checked by itself, and all valid ones are written in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.functional import Promise

from audiencesync.core import beat
from audiencesync.groups.models import AppGroup
from audiencesync.people.api import person_reference, track_objects
from audiencesync.people.api.person_reference import ObjectError
from audiencesync.people.changes import Change, ChangeProblem
from audiencesync.people.models import Event
from audiencesync.people.writing import attribute_changes, live_marks
from audiencesync.people.writing.upsert import upsert

ARRAYS = ("attributes", "events", "purchases")
PROBLEMS: dict[ChangeProblem, tuple[str, str | Promise]] = {
    "unknown": ("UNKNOWN_USER", "There is no such person, and this object creates none."),
    "gone": ("UNKNOWN_USER", "There is no such person any more."),
    "erased": ("ERASED_USER", "This person was erased on request and must not be written again."),
    "invalid": ("UNUSABLE_IDENTIFIER", "No person can be found by this e-mail or phone."),
    "not_a_number": ("NOT_A_NUMBER", "What is stored is no number, so nothing can be added to it."),
    "not_a_list": ("NOT_A_LIST", "What is stored is no list."),
    "too_long": ("TOO_MANY_VALUES", "What is stored would become too large."),
    "too_many": ("TOO_MANY_ATTRIBUTES", "The person would have more than 500 attributes."),
}

UNUSABLE_VALUE = (
    "UNUSABLE_VALUE",
    "This value cannot be used; the usable one that is known stays."
    " The rest of the object was written.",
)


@dataclass(slots=True)
class Tracked:
    """Number of processed objects per array, and the errors of the others."""

    processed: dict[str, int]
    errors: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _ValidObject:
    """One valid object: its place in the body, and its content."""

    array: str
    index: int
    change: Change
    event: Event | None
    problems: Sequence[ObjectError]  # of fields that are left out


def track(app_group: AppGroup, body: dict[str, Sequence[Any]], *, now: datetime) -> Tracked:
    """Write the objects of ``body`` (array name -> objects) and wake the engine."""
    result = Tracked({array: 0 for array in ARRAYS if body[array]})
    valid_objects = []
    for array in ARRAYS:
        for index, item in enumerate(body[array]):
            try:
                valid_objects.append(_read(app_group, array, index, item, now=now))
            except ObjectError as error:
                result.errors.append(error.as_dict(array, index))
    with transaction.atomic():
        written = upsert(app_group, [accepted.change for accepted in valid_objects], now=now)
        events = []
        for position, accepted in enumerate(valid_objects):
            if problem := written.problems.get(position):
                result.errors.append(
                    ObjectError(*PROBLEMS[problem]).as_dict(accepted.array, accepted.index)
                )
                continue
            result.processed[accepted.array] += 1
            for kind in written.kept.get(position, ()):
                result.errors.append(
                    ObjectError(*UNUSABLE_VALUE, kind).as_dict(accepted.array, accepted.index)
                )
            left_out = [*accepted.problems, *attribute_errors(written.unfit.get(position, {}))]
            result.errors += [error.as_dict(accepted.array, accepted.index) for error in left_out]
            if accepted.event is not None:
                event, pk = accepted.event, written.profile_ids[position]
                event.app_group = app_group
                event.profile_id = pk  # type: ignore[assignment]  # no problem, so it has an id
                events.append(event)
        Event.objects.bulk_create(events)
        live_marks.note(app_group.pk, written.changed, events)
        if any(result.processed.values()):
            beat.wake_job("journeys")
    result.errors.sort(key=lambda error: (ARRAYS.index(error["input_array"]), error["index"]))
    return result


def _read(app_group: AppGroup, array: str, index: int, item: Any, *, now: datetime) -> _ValidObject:
    """Validate one object of the body. Raise ObjectError."""
    reference = person_reference.read(person_reference.require_object(item))
    fields, custom_attributes, problems = (
        track_objects.attributes(item, app_group)
        if array == "attributes"
        else track_objects.Attributes({}, {}, [])
    )
    only_existing = person_reference.boolean(item, "_update_existing_only")
    if only_existing is None:
        only_existing = "alias" in reference
    if "alias" in reference and not only_existing:
        track_objects.refuse_addresses(*reference["alias"], app_group, field="user_alias")
    event = None
    if array != "attributes":
        event = (track_objects.event if array == "events" else track_objects.purchase)(
            item, problems, app_group, now=now
        )
    change = Change(
        **reference, fields=fields, attributes=custom_attributes, only_existing=only_existing
    )
    return _ValidObject(array, index, change, event, problems)


def attribute_errors(unfit: Mapping[str, attribute_changes.AttributeProblem]) -> list[ObjectError]:
    """Return the errors of attributes that could not be changed."""
    return [ObjectError(*PROBLEMS[problem], name) for name, problem in unfit.items()]
