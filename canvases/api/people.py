"""REST: erase, export and identify profiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from ninja import Field, Router, Schema

from audiencesync.people.api import identify as people_identify
from audiencesync.people.api import person_reference
from audiencesync.people.api.person_reference import ObjectError
from audiencesync.people.api.users import Alias, AliasesProcessed, Identify, answer, check_number
from audiencesync.people.changes import Change
from audiencesync.people.models import Erasure, Profile
from audiencesync.people.privacy import erasure_ledger
from audiencesync.people.writing import lookup
from audiencesync.rest import door
from canvases.privacy import erase
from canvases.privacy import export as export_data
from canvases.privacy import identify as privacy_identify

router = Router(tags=["users"])
MAX_PEOPLE = 50
MAX_FIELDS = 100


class Email(Schema):
    """A person by e-mail; of several, the one updated last, or the first by ``prioritization``."""

    email: str
    prioritization: list[str] | None = None


class Phone(Schema):
    """A person by phone; of several, the one updated last, or the first by ``prioritization``."""

    phone: str
    prioritization: list[str] | None = None


class Delete(Schema):
    """Exactly one of these lists, at most 50 people."""

    external_ids: list[door.TextId] | None = Field(None, max_length=MAX_PEOPLE)
    user_aliases: list[Alias] | None = Field(None, max_length=MAX_PEOPLE)
    braze_ids: list[door.BrazeId] | None = Field(None, max_length=MAX_PEOPLE)
    email_addresses: list[Email] | None = Field(None, max_length=MAX_PEOPLE)
    phone_numbers: list[Phone] | None = Field(None, max_length=MAX_PEOPLE)

    def named(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (name of the list, object of the API) of each reference to a person."""
        yield from (("external_ids", {"external_id": text}) for text in self.external_ids or [])
        yield from (("user_aliases", {"user_alias": one.dict()}) for one in self.user_aliases or [])
        yield from (("braze_ids", {"braze_id": text}) for text in self.braze_ids or [])
        yield from (("email_addresses", one.dict()) for one in self.email_addresses or [])
        yield from (("phone_numbers", one.dict()) for one in self.phone_numbers or [])


class Deleted(door.Success):
    """``erasures``: one receipt per person, also for people erased before.

    GET /users/erasures returns each receipt.
    """

    deleted: int
    already_erased: int | None = None
    erasures: list[str]


@router.post(
    "/users/delete",
    auth=door.require("users.delete", limit="users"),
    response={201: Deleted} | door.ERRORS,
    summary="Erase people",
)
def delete(request: door.ApiRequest, body: Delete) -> HttpResponse:
    """Hide people at once, remove every hash they had from every audience, then delete them.

    Erased people cannot come back.
    """
    references = list(body.named())
    if len({array for array, _reference in references}) != 1 or len(references) > MAX_PEOPLE:
        raise door.ApiError(400, f"Send one list of at most {MAX_PEOPLE} people.")
    profile_ids, errors = _profile_ids(request, references)
    receipt_of, unknown = _already_erased(
        request, references, {*profile_ids, *(error["index"] for error in errors)}
    )
    errors = sorted(errors + unknown, key=lambda error: error["index"])
    door.require_any_done(len(profile_ids) + len(receipt_of), errors)
    by = f"{Erasure.BY_KEY}{request.api_key.name}"
    new_erasures = erase.erase(
        request.app_group, profile_ids.values(), asked_by=by, now=timezone.now()
    )
    # Another call has erased these since they were looked up.
    erased_meanwhile = set(profile_ids.values()) - {erasure.profile_id for erasure in new_erasures}
    their_erasures = Erasure.objects.filter(
        app_group=request.app_group, profile__in=erased_meanwhile
    )
    extra = (
        {"already_erased": len(receipt_of) + len(erased_meanwhile)}
        if receipt_of or erased_meanwhile
        else {}
    )
    earlier_receipts = (
        [*receipt_of.values(), *their_erasures.values_list("key", flat=True)]
        if erased_meanwhile
        else receipt_of.values()
    )
    receipts = [*(erasure.key for erasure in new_erasures), *dict.fromkeys(earlier_receipts)]
    return door.success(201, errors=errors, deleted=len(new_erasures), erasures=receipts, **extra)


def _already_erased(
    request: door.ApiRequest, references: list[tuple[str, dict[str, Any]]], handled: set[int]
) -> tuple[dict[int, str], list[dict[str, Any]]]:
    """Return index -> receipt of people erased before, and errors of unknown people.

    ``handled``: the indexes of references that are not looked up here.
    """
    open_indexes = [index for index in range(len(references)) if index not in handled]
    erased = erasure_ledger.receipt_keys(
        request.app_group,
        [Change(**person_reference.read(references[index][1])) for index in open_indexes],
    )
    receipt_of = {open_indexes[position]: key for position, key in erased.items()}
    unknown = ObjectError("UNKNOWN_USER", "There is no such person.")
    return receipt_of, [
        unknown.as_dict(references[index][0], index)
        for index in open_indexes
        if index not in receipt_of
    ]


def _profile_ids(
    request: door.ApiRequest, references: list[tuple[str, dict[str, Any]]]
) -> tuple[dict[int, int], list[dict[str, Any]]]:
    """Return profile ids by index, and errors of invalid references."""
    keys: dict[int, lookup.Key] = {}
    preferred: dict[int, int | None] = {}
    errors: list[dict[str, Any]] = []
    for index, (array, reference) in enumerate(references):
        try:
            key, order = (
                _key(reference, region=request.app_group.phone_region),
                person_reference.prioritization(reference),
            )
        except ObjectError as error:
            errors.append(error.as_dict(array, index))
            continue
        if key is not None and order:
            preferred[index] = lookup.find_preferred(request.app_group, key, order)
        elif key is not None:
            keys[index] = key
    by_key = lookup.find(request.app_group, keys.values())
    profile_ids = preferred | {index: by_key.get(key) for index, key in keys.items()}
    return {index: pk for index, pk in profile_ids.items() if pk is not None}, errors


def _key(reference: dict[str, Any], *, region: str) -> lookup.Key | None:
    """Return the lookup key of a reference. Raise ObjectError."""
    return (
        ("device", reference["device_id"])
        if "device_id" in reference
        else person_reference.key(reference, region=region)
    )


class Export(Schema):
    """At most 50 people by external id or alias, or one by another identifier.

    ``device_id``: an IDFA or a Google ad id.
    """

    external_ids: list[door.TextId] | None = Field(None, max_length=MAX_PEOPLE)
    user_aliases: list[Alias] | None = Field(None, max_length=MAX_PEOPLE)
    device_id: str | None = None
    braze_id: door.BrazeId | None = None
    email_address: str | None = None
    phone: str | None = None
    fields_to_export: list[str] | None = Field(
        None, max_length=MAX_FIELDS, description="All, if not given"
    )

    def named(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (text for the answer, object of the API) of each reference to a person."""
        yield from ((text, {"external_id": text}) for text in self.external_ids or [])
        yield from ((one.alias_name, {"user_alias": one.dict()}) for one in self.user_aliases or [])
        single = (
            ("device_id", self.device_id),
            ("braze_id", self.braze_id),
            ("email", self.email_address),
            ("phone", self.phone),
        )
        yield from ((text, {name: text}) for name, text in single if text is not None)


class Exported(door.Success):
    """``invalid_user_ids``: identifiers without a known person."""

    users: list[dict[str, Any]]
    invalid_user_ids: list[str]


@router.post(
    "/users/export/ids",
    auth=door.require("users.export", limit="export"),
    response={201: Exported} | door.ERRORS,
    summary="Tell what is known about people",
)
def export(request: door.ApiRequest, body: Export) -> HttpResponse:
    """Return people in the shape of Braze, with consent and deliveries. Absent fields are null."""
    references = list(body.named())
    _check_fields(body.fields_to_export or [])
    if not 1 <= len(references) <= MAX_PEOPLE:
        raise door.ApiError(400, f"Name 1 to {MAX_PEOPLE} people.")
    profile_ids, _errors = _profile_ids(request, references)
    people = Profile.objects.filter(app_group=request.app_group).in_bulk(profile_ids.values())
    exported = [
        export_data.as_braze(people[pk])
        for pk in dict.fromkeys(profile_ids.values())
        if pk in people
    ]
    if body.fields_to_export is not None:
        exported = [
            {name: person.get(name) for name in body.fields_to_export} for person in exported
        ]
    unknown = [
        text for index, (text, _reference) in enumerate(references) if index not in profile_ids
    ]
    return door.success(201, users=exported, invalid_user_ids=unknown)


def _check_fields(names: list[str]) -> None:
    """Raise ApiError if a name is not one of the fields of an export."""
    unknown = [
        {
            "type": "UNKNOWN_FIELD",
            "message": "There is no such field.",
            "field": "fields_to_export",
            "index": index,
        }
        for index, name in enumerate(names)
        if name not in export_data.FIELDS
    ]
    if unknown:
        raise door.ApiError(400, "fields_to_export names a field that does not exist.", unknown)


@router.post(
    "/users/identify",
    auth=door.require("users.track", limit="users"),
    response={201: AliasesProcessed} | door.ERRORS,
    summary="Tell who an unknown visitor is",
)
def identify(request: door.ApiRequest, body: Identify) -> HttpResponse:
    """Identify an anonymous profile.

    If the external id is known, its profile gets the values it lacks from the anonymous one;
    else the anonymous profile gets the external id.
    """
    arrays = {name: getattr(body, name) or [] for name in people_identify.IDENTIFY}
    check_number(sum(map(len, arrays.values())))
    return answer(privacy_identify.identify(request.app_group, arrays, now=timezone.now()))


class Receipts(door.Success):
    """``erasures``: key, state, times, and the state of the removal per audience."""

    erasures: list[dict[str, Any]]


@router.get(
    "/users/erasures",
    auth=door.require("users.delete"),
    response={200: Receipts} | door.ERRORS,
    summary="Receipts of erasures",
)
def erasures(request: door.ApiRequest, key: str | None = None) -> HttpResponse:
    """Return one receipt by its key, or the last hundred."""
    rows = erase.receipts(request.app_group)
    if key is not None:
        rows = rows.filter(key=key)
    return door.success(
        erasures=[erase.receipt(row) for row in erase.with_current_places(rows[:100])]
    )
