"""Find profiles by external id, alias, our own id, e-mail, phone or device id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.lookups import IsNull

from audiencesync.groups.models import AppGroup
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import Profile, UserAlias
from audiencesync.people.writing import rows

# external_id: text; alias: (label, name); id: number; email, phone: the hash; device: text
Key = tuple[str, Any]
AT_ONCE = 5000  # values in one list of a statement
# Name in the API -> an expression to order profiles by; False sorts before True.
PRIORITIES: dict[str, Any] = {
    "identified": IsNull(F("external_id"), True),
    "unidentified": IsNull(F("external_id"), False),
    "most_recently_updated": "-updated_at",
    "least_recently_updated": "updated_at",
}
# The key of an advisory lock is one of these plus the id of the group.
_NEW_ANONYMOUS, _EXTERNAL_IDS = 0x41534E << 32, 0x41534F << 32


class ProfileNames(Protocol):
    """What a change says to find its profile: the first name that is not None is used."""

    @property
    def external_id(self) -> str | None: ...
    @property
    def alias(self) -> tuple[str, str] | None: ...
    @property
    def profile_id(self) -> int | None: ...
    @property
    def email(self) -> str | None: ...
    @property
    def phone(self) -> str | None: ...


def key(names: ProfileNames, *, region: str) -> Key | None:
    """Return the key by which to find a profile; None if its e-mail or phone is unusable."""
    if names.external_id is not None:
        return "external_id", names.external_id
    if names.alias is not None:
        return "alias", names.alias
    if names.profile_id is not None:
        return "id", names.profile_id
    kind, raw = ("email", names.email) if names.email is not None else ("phone", names.phone)
    normalised = normalise.normalise(kind, raw, region=region)
    return (kind, normalised.sha256) if normalised.sha256 else None


def find(app_group: AppGroup, keys: Iterable[Key]) -> dict[Key, int]:
    """Return key -> profile id; missing profiles are left out.

    Of several profiles with one address, the last updated is found.
    """
    values_by_kind: dict[str, list[Any]] = defaultdict(list)
    for kind, value in keys:
        values_by_kind[kind].append(value)
    id_by_external_id = rows.by_external_id(app_group.pk, values_by_kind.pop("external_id", []))
    ids: dict[Key, int] = {
        ("external_id", external_id): pk for external_id, pk in id_by_external_id.items()
    }
    for kind, values in values_by_kind.items():
        for start in range(0, len(values), AT_ONCE):
            ids |= _FINDERS[kind](app_group, values[start : start + AT_ONCE])
    return ids


def preferred(profiles: QuerySet[Profile], order: Sequence[str]) -> Profile | None:
    """Return the profile that ``order`` puts first; of equal ones, the last updated.

    ``order``: names of PRIORITIES.
    """
    return profiles.order_by(*(PRIORITIES[name] for name in order), "-updated_at", "-pk").first()


def find_preferred(app_group: AppGroup, key: Key, order: Sequence[str]) -> int | None:
    """Return the id of the preferred profile with an e-mail or phone (``key``)."""
    kind, digest = key
    profile = preferred(
        Profile.objects.filter(app_group=app_group, **{f"{kind}_sha256": digest}), order
    )
    return profile.pk if profile else None


def _by_id(app_group: AppGroup, ids: list[int]) -> dict[Key, int]:
    """Find by id; a merged profile counts as the one it was merged into."""
    profiles = Profile.everybody.filter(app_group=app_group, pk__in=ids, erased_at=None)
    return {("id", pk): target or pk for pk, target in profiles.values_list("pk", "merged_into")}


def _by_alias(app_group: AppGroup, aliases: list[tuple[str, str]]) -> dict[Key, int]:
    labels, names = {label for label, _name in aliases}, [name for _label, name in aliases]
    alias_rows = UserAlias.objects.filter(app_group=app_group, label__in=labels, name__in=names)
    return {
        ("alias", (label, name)): pk
        for label, name, pk in alias_rows.values_list("label", "name", "profile")
    }


def _by_hash(kind: str) -> Callable[[AppGroup, list[bytes]], dict[Key, int]]:
    column = f"{kind}_sha256"

    def find_by_hash(app_group: AppGroup, digests: list[bytes]) -> dict[Key, int]:
        profiles = Profile.objects.filter(app_group=app_group, **{f"{column}__in": digests})
        newest_last: Any = profiles.order_by("updated_at", "pk").values_list(column, "pk")
        return {(kind, bytes(digest)): pk for digest, pk in newest_last}

    return find_by_hash


def _by_device(app_group: AppGroup, device_ids: list[str]) -> dict[Key, int]:
    # This reads every profile of the group: calls by device id are rare, and an index would slow
    # down every import.
    ids: dict[Key, int] = {}
    for device_id in device_ids:
        matches_q = Q()
        for kind in ("idfa", "gaid"):
            digest = normalise.normalise(kind, device_id, region="").sha256
            matches_q |= Q(**{f"{kind}_sha256": digest}) if digest else Q(pk__in=[])
        if profile := preferred(Profile.objects.filter(matches_q, app_group=app_group), ()):
            ids["device", device_id] = profile.pk
    return ids


_FINDERS: dict[str, Callable[[AppGroup, list[Any]], dict[Key, int]]] = {
    "id": _by_id,
    "device": _by_device,
    "alias": _by_alias,
    "email": _by_hash("email"),
    "phone": _by_hash("phone"),
}


def lock_new_anonymous(app_group: AppGroup) -> None:
    """Let one transaction at a time create profiles without an external id.

    No constraint of the database keeps two transactions from creating the same one.
    """
    _lock("pg_advisory_xact_lock", _NEW_ANONYMOUS + app_group.pk)


def lock_external_ids(app_group: AppGroup, *, alone: bool) -> None:
    """Lock the external ids of a group.

    ``alone``: to give ids to profiles that exist. Else shared, to create profiles with ids.
    Without this lock the two could deadlock: the creator holds a new external id and waits for
    profiles, the other holds a profile and waits for the external id.
    """
    _lock(
        "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared",
        _EXTERNAL_IDS + app_group.pk,
    )


def _lock(function: str, lock_key: int) -> None:
    # PostgreSQL holds the lock until the transaction ends. SQLite has one writer anyway.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s)", [lock_key])  # constants of this module
