"""Add aliases to profiles, and merge an anonymous profile into an identified one."""

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

# known: the profile has another external id
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
    """Return a problem or None (done) per request. An alias that exists already stays as it is."""

    def work() -> list[IdentifyProblem | None]:
        named = [request.external_id for request in requests if request.external_id is not None]
        _lock(app_group, rows.by_external_id(app_group.pk, named).values())
        return [_add_alias(app_group, request, now=now) for request in requests]

    return _again(work, app_group)


def identify(
    app_group: AppGroup, requests: Sequence[Identity], *, now: datetime
) -> list[IdentifyProblem | None]:
    """Return a problem or None (done) per request."""

    def work() -> list[IdentifyProblem | None]:
        lookup.lock_names(app_group, alone=True)
        visitors = [
            visitor.pk
            for request in requests
            if (visitor := _visitor(app_group, request)) is not None
        ]
        known = rows.by_external_id(app_group.pk, {request.external_id for request in requests})
        _lock(app_group, {*visitors, *known.values()})
        return [_identify(app_group, request, now=now) for request in requests]

    return _again(work, app_group)


def _lock(app_group: AppGroup, ids: Iterable[int]) -> None:
    # All at once, in the order of ids as all writers do: one by one they could deadlock.
    rows.locked(app_group.pk, ids)


def family(profile_ids: Sequence[int]) -> dict[int, int]:
    """Return id -> id of the profile it was merged into, these and all merged ones included."""
    found = {pk: pk for pk in profile_ids}
    newest = found
    while newest:
        merged = Profile.everybody.filter(merged_into__in=list(newest)).values_list(
            "pk", "merged_into"
        )
        newest = {pk: found[into] for pk, into in merged if into is not None and pk not in found}
        found |= newest
    return found


def _again(
    work: Callable[[], list[IdentifyProblem | None]], app_group: AppGroup
) -> list[IdentifyProblem | None]:
    """Run ``work`` in one transaction; repeat it if another writer took a name meanwhile."""
    for left in reversed(range(TRIES)):
        try:
            with transaction.atomic():
                lookup.lock_newcomers(app_group)
                return work()
        except IntegrityError:
            if not left:
                raise
    raise AssertionError


def _add_alias(app_group: AppGroup, request: NewAlias, *, now: datetime) -> IdentifyProblem | None:
    owner = lookup.find(app_group, [("alias", request.alias)]).get(("alias", request.alias))
    # After the lookup, as in upsert.
    if erasure_ledger.blocked(
        app_group, [Change(alias=request.alias)], {}, now=now, from_file=False
    ):
        return "erased"
    wanted = None
    if request.external_id is not None:
        wanted = rows.by_external_id(app_group.pk, [request.external_id]).get(request.external_id)
        if wanted is None or not rows.locked(app_group.pk, [wanted]):
            return "unknown"
    if owner is not None:
        return None if wanted in (None, owner) else "taken"
    if wanted is None:
        made = upsert(app_group, [Change(alias=request.alias)], now=now)
        live_marks.note(app_group.pk, made.changed)
    else:
        label, name = request.alias
        UserAlias.objects.create(app_group=app_group, profile_id=wanted, label=label, name=name)
    return None


def _identify(app_group: AppGroup, request: Identity, *, now: datetime) -> IdentifyProblem | None:
    visitor = _visitor(app_group, request)
    person = rows.by_external_id(app_group.pk, [request.external_id]).get(request.external_id)
    if visitor is None:
        return None if person is not None and _is_known_as(request, person) else "unknown"
    # After the lookup, as in upsert.
    if erasure_ledger.blocked(
        app_group, [Change(external_id=request.external_id)], {}, now=now, from_file=False
    ):
        return "erased"
    if visitor.external_id is not None:
        return None if visitor.external_id == request.external_id else "known"
    if person is None:
        named = Profile.objects.filter(pk=visitor.pk).update(
            external_id=request.external_id, updated_at=now
        )
        live_marks.note(app_group.pk, [visitor.pk])
        return None if named else "unknown"  # erased since
    return _merge(app_group, visitor.pk, person, now=now)


def _visitor(app_group: AppGroup, request: Identity) -> Profile | None:
    """Return the profile that the key finds; by e-mail or phone an anonymous one only."""
    kind, value = request.key
    people = Profile.objects.filter(app_group=app_group)
    if kind == "alias":
        return people.filter(aliases__label=value[0], aliases__name=value[1]).first()
    unknown = people.filter(**{f"{kind}_sha256": value}, external_id=None, merged_into=None)
    return lookup.preferred(unknown, request.order)


def _is_known_as(request: Identity, person_id: int) -> bool:
    """Return whether the profile, or one merged into it, has this e-mail or phone."""
    kind, value = request.key
    if kind == "alias":
        return False
    has = Q(pk=person_id, **{f"{kind}_sha256": value})
    had = Q(merged_into=person_id, past_identifiers__kind=kind, past_identifiers__sha256=value)
    return Profile.everybody.filter(has | had).exists()


def _merge(
    app_group: AppGroup, visitor_id: int, person_id: int, *, now: datetime
) -> IdentifyProblem | None:
    """Fill what the identified profile lacks from the anonymous one, which is left empty."""
    found = {row.id: row for row in rows.locked(app_group.pk, [visitor_id, person_id])}
    if len(found) < 2:  # one of them is being erased
        return "unknown"
    visitor, person = found[visitor_id], found[person_id]
    if len(visitor.attributes | person.attributes) > max(MOST_ATTRIBUTES, len(person.attributes)):
        return "too_many"
    past, before = _past(visitor, person), person.ads_consent
    _fill(person, visitor)
    if person.ads_consent is False and before is not False:
        consent.record_withdrawals(app_group, [person.id], now=now)
    for kind in KINDS:
        visitor.clear(kind)
    visitor.attributes = {}
    rows.update(sorted((visitor, person), key=lambda row: row.id), now=now)
    rows.remember(past, now=now)
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


def _past(visitor: columns.Row, person: columns.Row) -> list[tuple[int, str, bytes]]:
    """Return every hash the anonymous profile had: a removal of either must name them."""
    before = PastIdentifier.objects.filter(profile_id=visitor.id).values_list("kind", "sha256")
    had = {(kind, bytes(digest)) for kind, digest in before}
    had |= {
        (kind, digest)
        for kind in KINDS
        if (digest := getattr(visitor, f"{kind}_sha256")) is not None
    }
    return [(owner.id, kind, digest) for kind, digest in sorted(had) for owner in (visitor, person)]


def _fill(person: columns.Row, visitor: columns.Row) -> None:
    """Copy only values that are missing, or unusable where the other is usable."""
    # Tracking refused on one device: its id must not be sent by the permission of another one.
    refused = DEVICE_KINDS if visitor.ad_tracking_enabled is False else ()
    for bit, kind in enumerate(KINDS):
        if kind in refused and person.ad_tracking_enabled:
            continue
        known, theirs = (getattr(row, f"{kind}_sha256") for row in (person, visitor))
        if known is None and (not getattr(person, kind) or theirs is not None):
            for name in (kind, *columns.hashes_of(kind)):
                setattr(person, name, getattr(visitor, name))
            person.invalid_kinds = (
                person.invalid_kinds & ~(1 << bit) | visitor.invalid_kinds & 1 << bit
            )
        elif known == theirs and kind in columns.ALTERNATIVES:
            other = columns.ALTERNATIVES[kind]
            setattr(person, other, getattr(person, other) or getattr(visitor, other))
    for name in ("country", "language"):
        setattr(person, name, getattr(person, name) or getattr(visitor, name))
    for name in ("ad_tracking_enabled", "ads_consent"):
        if getattr(person, name) is None:
            setattr(person, name, getattr(visitor, name))
    person.attributes = visitor.attributes | person.attributes
