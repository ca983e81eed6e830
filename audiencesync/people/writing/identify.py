"""Add aliases to profiles, and merge an anonymous profile into an identified one.

The anonymous profile is called the visitor, the identified one the person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db import IntegrityError, transaction
from django.db.models import Q

from audiencesync.groups.models import AppGroup
from audiencesync.people.changes import Change
from audiencesync.people.eligibility import DEVICE_KINDS
from audiencesync.people.models import KINDS, Event, PastIdentifier, Profile, UserAlias
from audiencesync.people.models.imports import ImportMember
from audiencesync.people.privacy import consent, erasure_ledger
from audiencesync.people.writing import columns, live_marks, lookup, rows
from audiencesync.people.writing.attribute_changes import MOST_ATTRIBUTES
from audiencesync.people.writing.upsert import upsert

# "known": the visitor has another external id; "taken": another profile has the alias.
IdentifyProblem = Literal["unknown", "taken", "known", "erased", "too_many"]
TRIES = 3
Alias = tuple[str, str]  # label, name


@dataclass(frozen=True, slots=True)
class NewAlias:
    """An alias for the profile with this external id; None: for a new anonymous profile."""

    alias: Alias
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """An external id for the profile that ``key`` finds. ``order``: see lookup.PRIORITIES."""

    key: lookup.Key
    external_id: str
    order: tuple[str, ...] = ()


def add_aliases(
    app_group: AppGroup, requests: Sequence[NewAlias], *, now: datetime
) -> list[IdentifyProblem | None]:
    """Return for each request its problem, or None if it is done.

    An alias that exists already is left as it is; "taken" if it is another profile's.
    """

    def add_all() -> list[IdentifyProblem | None]:
        external_ids = [
            request.external_id for request in requests if request.external_id is not None
        ]
        _lock(app_group, rows.by_external_id(app_group.pk, external_ids).values())
        return [_add_alias(app_group, request, now=now) for request in requests]

    return _retry(add_all, app_group)


def identify(
    app_group: AppGroup, requests: Sequence[Identity], *, now: datetime
) -> list[IdentifyProblem | None]:
    """Return for each request its problem, or None if it is done."""

    def identify_all() -> list[IdentifyProblem | None]:
        lookup.lock_external_ids(app_group, alone=True)
        visitor_ids = [
            visitor.pk
            for request in requests
            if (visitor := _find_visitor(app_group, request)) is not None
        ]
        ids_by_external_id = rows.by_external_id(
            app_group.pk, {request.external_id for request in requests}
        )
        _lock(app_group, {*visitor_ids, *ids_by_external_id.values()})
        return [_identify(app_group, request, now=now) for request in requests]

    return _retry(identify_all, app_group)


def _lock(app_group: AppGroup, ids: Iterable[int]) -> None:
    # Lock all profiles at once, in the order of their ids, as all writers do. If each were locked
    # when it is needed, two calls could deadlock.
    rows.lock(app_group.pk, ids)


def family(profile_ids: Sequence[int]) -> dict[int, int]:
    """Map each id to itself, and each profile that was merged into it (also indirectly) to it."""
    targets = {pk: pk for pk in profile_ids}
    frontier = targets
    while frontier:
        pairs = Profile.everybody.filter(merged_into__in=list(frontier)).values_list(
            "pk", "merged_into"
        )
        frontier = {
            pk: targets[target] for pk, target in pairs if target is not None and pk not in targets
        }
        targets |= frontier
    return targets


def _retry(
    action: Callable[[], list[IdentifyProblem | None]], app_group: AppGroup
) -> list[IdentifyProblem | None]:
    """Run ``action`` in one transaction; repeat it if another writer creates the same name."""
    for tries_left in reversed(range(TRIES)):
        try:
            with transaction.atomic():
                lookup.lock_new_anonymous(app_group)
                return action()
        except IntegrityError:
            if not tries_left:
                raise
    raise AssertionError


def _add_alias(app_group: AppGroup, request: NewAlias, *, now: datetime) -> IdentifyProblem | None:
    owner_id = lookup.find(app_group, [("alias", request.alias)]).get(("alias", request.alias))
    # The ledger is read after the lookup, for the reason in `upsert`.
    if erasure_ledger.blocked_indexes(
        app_group, [Change(alias=request.alias)], {}, now=now, from_file=False
    ):
        return "erased"
    person_id = None
    if request.external_id is not None:
        person_id = rows.by_external_id(app_group.pk, [request.external_id]).get(
            request.external_id
        )
        if person_id is None or not rows.lock(app_group.pk, [person_id]):
            return "unknown"
    if owner_id is not None:
        return None if person_id in (None, owner_id) else "taken"
    if person_id is None:
        result = upsert(app_group, [Change(alias=request.alias)], now=now)
        live_marks.note(app_group.pk, result.changed)
    else:
        label, name = request.alias
        UserAlias.objects.create(app_group=app_group, profile_id=person_id, label=label, name=name)
    return None


def _identify(app_group: AppGroup, request: Identity, *, now: datetime) -> IdentifyProblem | None:
    """Give the external id to the visitor, or merge the visitor into the person who has it."""
    visitor = _find_visitor(app_group, request)
    person_id = rows.by_external_id(app_group.pk, [request.external_id]).get(request.external_id)
    if visitor is None:
        return None if person_id is not None and _has_address(request, person_id) else "unknown"
    # The ledger is read after the lookup, for the reason in `upsert`.
    if erasure_ledger.blocked_indexes(
        app_group, [Change(external_id=request.external_id)], {}, now=now, from_file=False
    ):
        return "erased"
    if visitor.external_id is not None:
        return None if visitor.external_id == request.external_id else "known"
    if person_id is None:
        n_updated = Profile.objects.filter(pk=visitor.pk).update(
            external_id=request.external_id, updated_at=now
        )
        live_marks.note(app_group.pk, [visitor.pk])
        return None if n_updated else "unknown"  # erased since it was found
    return _merge(app_group, visitor.pk, person_id, now=now)


def _find_visitor(app_group: AppGroup, request: Identity) -> Profile | None:
    """Return the profile that the key finds; by e-mail or phone only an anonymous one."""
    kind, value = request.key
    profiles = Profile.objects.filter(app_group=app_group)
    if kind == "alias":
        return profiles.filter(aliases__label=value[0], aliases__name=value[1]).first()
    anonymous = profiles.filter(**{f"{kind}_sha256": value}, external_id=None, merged_into=None)
    return lookup.preferred(anonymous, request.order)


def _has_address(request: Identity, person_id: int) -> bool:
    """Return whether the profile, or one merged into it, has this e-mail or phone."""
    kind, value = request.key
    if kind == "alias":
        return False
    has_q = Q(pk=person_id, **{f"{kind}_sha256": value})
    had_q = Q(merged_into=person_id, past_identifiers__kind=kind, past_identifiers__sha256=value)
    return Profile.everybody.filter(has_q | had_q).exists()


def _merge(
    app_group: AppGroup, visitor_id: int, person_id: int, *, now: datetime
) -> IdentifyProblem | None:
    """Copy what the person lacks from the visitor, which is left empty and points to the person."""
    rows_by_id = {row.id: row for row in rows.lock(app_group.pk, [visitor_id, person_id])}
    if len(rows_by_id) < 2:  # one of them is being erased
        return "unknown"
    visitor, person = rows_by_id[visitor_id], rows_by_id[person_id]
    if len(visitor.attributes | person.attributes) > max(MOST_ATTRIBUTES, len(person.attributes)):
        return "too_many"
    past_hashes, consent_before = _past_hashes(visitor, person), person.ads_consent
    _fill_gaps(person, visitor)
    if person.ads_consent is False and consent_before is not False:
        consent.record_withdrawals(app_group, [person.id], now=now)
    for kind in KINDS:
        visitor.clear(kind)
    visitor.attributes = {}
    rows.update(sorted((visitor, person), key=lambda row: row.id), now=now)
    rows.record_past_hashes(past_hashes, now=now)
    UserAlias.objects.filter(profile_id=visitor.id).update(profile_id=person.id)
    Event.objects.filter(profile_id=visitor.id).update(profile_id=person.id)
    runs = (
        ImportMember.objects.filter(profile_id=visitor.id)
        .order_by("run_id")
        .values_list("run_id", "is_created")
    )
    members = [
        ImportMember(run_id=run, profile_id=person.id, is_created=is_created)
        for run, is_created in runs
    ]
    ImportMember.objects.bulk_create(members, ignore_conflicts=True)
    Profile.objects.filter(pk=visitor.id).update(merged_into=person.id)
    live_marks.hand_over(app_group.pk, visitor.id, to=person.id)
    return None


def _past_hashes(visitor: columns.Row, person: columns.Row) -> list[tuple[int, str, bytes]]:
    """Return all hashes that the visitor has or had, once for each of the two profiles.

    A removal of either profile must send them.
    """
    past_identifiers = PastIdentifier.objects.filter(profile_id=visitor.id).values_list(
        "kind", "sha256"
    )
    hashes = {(kind, bytes(digest)) for kind, digest in past_identifiers}
    hashes |= {
        (kind, digest)
        for kind in KINDS
        if (digest := getattr(visitor, f"{kind}_sha256")) is not None
    }
    return [
        (owner.id, kind, digest) for kind, digest in sorted(hashes) for owner in (visitor, person)
    ]


def _fill_gaps(person: columns.Row, visitor: columns.Row) -> None:
    """Copy values that the person lacks, or has unusable where the visitor has a usable one."""
    # The person's permission is that of another device: with it, the visitor's device id would be
    # sent although its own device refuses tracking.
    refused_kinds = DEVICE_KINDS if visitor.ad_tracking_enabled is False else ()
    for bit, kind in enumerate(KINDS):
        if kind in refused_kinds and person.ad_tracking_enabled:
            continue
        person_hash, visitor_hash = (getattr(row, f"{kind}_sha256") for row in (person, visitor))
        if person_hash is None and (not getattr(person, kind) or visitor_hash is not None):
            for name in (kind, *columns.hashes_of(kind)):
                setattr(person, name, getattr(visitor, name))
            person.invalid_kinds = (
                person.invalid_kinds & ~(1 << bit) | visitor.invalid_kinds & 1 << bit
            )
        elif person_hash == visitor_hash and kind in columns.ALTERNATIVES:
            alternative = columns.ALTERNATIVES[kind]
            setattr(
                person, alternative, getattr(person, alternative) or getattr(visitor, alternative)
            )
    for name in ("country", "language"):
        setattr(person, name, getattr(person, name) or getattr(visitor, name))
    for name in ("ad_tracking_enabled", "ads_consent"):
        if getattr(person, name) is None:
            setattr(person, name, getattr(visitor, name))
    person.attributes = visitor.attributes | person.attributes
