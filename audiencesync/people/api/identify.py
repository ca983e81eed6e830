"""Apply one body of ``/users/alias/new`` or ``/users/identify``, checking each object by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.functional import Promise

from audiencesync.core import beat
from audiencesync.groups.models import AppGroup
from audiencesync.people.api import person_reference, track_objects
from audiencesync.people.api.person_reference import ObjectError
from audiencesync.people.identifiers import normalise
from audiencesync.people.writing import identify as writing_identify
from audiencesync.people.writing.identify import IdentifyProblem, Identity, NewAlias

IDENTIFY = ("aliases_to_identify", "emails_to_identify", "phone_numbers_to_identify")
_PROBLEMS: dict[IdentifyProblem, tuple[str, str | Promise]] = {
    "unknown": ("UNKNOWN_USER", "There is no such person."),
    "taken": ("ALIAS_TAKEN", "This alias is another person's."),
    "erased": ("ERASED_USER", "This person was erased on request and must not be written again."),
    "too_many": ("TOO_MANY_ATTRIBUTES", "The person would have more than 500 attributes."),
    "known": ("ALREADY_IDENTIFIED", "This person has another external ID already."),
}


@dataclass(slots=True)
class ProcessedObjects:
    """Number of processed objects, and the errors of the others."""

    processed: int = 0
    external_ids: set[str] = field(default_factory=set)  # of all valid objects of identify
    errors: list[dict[str, Any]] = field(default_factory=list)


def add_aliases(app_group: AppGroup, items: Sequence[Any], *, now: datetime) -> ProcessedObjects:
    """Add the aliases of the valid objects."""
    result, requests = ProcessedObjects(), {}
    for index, item in enumerate(items):
        try:
            external_id_value = person_reference.require_object(item).get("external_id")
            external_id = (
                None
                if external_id_value is None
                else person_reference.external_id(external_id_value)
            )
            alias_value = item.get("user_alias")  # if missing, the object itself is the alias
            alias = person_reference.alias(item if alias_value is None else alias_value)
            track_objects.refuse_addresses(*alias, app_group, field="alias_name")
            requests["user_aliases", index] = NewAlias(alias, external_id)
        except ObjectError as error:
            result.errors.append(error.as_dict("user_aliases", index))
    problems = writing_identify.add_aliases(app_group, list(requests.values()), now=now)
    return _count_results(result, list(requests), problems)


def identify(
    app_group: AppGroup, arrays: Mapping[str, Sequence[Any]], *, now: datetime
) -> ProcessedObjects:
    """Identify people by the valid objects, and wake the job that moves people in canvases."""
    result, requests = ProcessedObjects(), {}
    for array in IDENTIFY:
        for index, item in enumerate(arrays[array]):
            try:
                requests[array, index] = _identity(
                    array, person_reference.require_object(item), region=app_group.phone_region
                )
            except ObjectError as error:
                result.errors.append(error.as_dict(array, index))
    problems = writing_identify.identify(app_group, list(requests.values()), now=now)
    result.external_ids = {request.external_id for request in requests.values()}
    beat.wake_job("journeys")
    return _count_results(result, list(requests), problems)


def _identity(array: str, item: Mapping[str, Any], *, region: str) -> Identity:
    external_id = person_reference.external_id(item.get("external_id"))
    if array == "aliases_to_identify":
        return Identity(("alias", person_reference.alias(item.get("user_alias"))), external_id)
    if array == "emails_to_identify":
        kind, raw = "email", person_reference.email(item.get("email"))
    else:
        kind, raw = "phone", person_reference.phone(item.get("phone"))
    digest = normalise.normalise(kind, raw, region=region).sha256
    if digest is None:
        raise ObjectError(
            "UNUSABLE_IDENTIFIER", "No person can be found by this e-mail or phone.", kind
        )
    return Identity((kind, digest), external_id, person_reference.prioritization(item))


def _count_results(
    result: ProcessedObjects,
    positions: list[tuple[str, int]],
    problems: Sequence[IdentifyProblem | None],
) -> ProcessedObjects:
    for (array, index), problem in zip(positions, problems, strict=True):
        if problem is None:
            result.processed += 1
        else:
            result.errors.append(ObjectError(*_PROBLEMS[problem]).as_dict(array, index))
    result.errors.sort(key=lambda error: (error["input_array"], error["index"]))
    return result
