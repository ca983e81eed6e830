"""The suppression list of erased people: salted hashes of their names, which survive a restore.

A name is an external id, an alias, an e-mail or a phone; the latter two are called addresses.
An import cannot bring an erased person back. An API call is blocked only if it names the erased
id or alias, or names a person by an address alone (`blocked_indexes`).

The file (settings.ERASURE_LEDGER) holds a line per name:
{"group": 1, "kind": "email", "digest": "...", "at": "..."}.
"""

from __future__ import annotations

import hmac
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from audiencesync.core import chunks
from audiencesync.groups.models import AppGroup
from audiencesync.people.identifiers import former_rules, normalise
from audiencesync.people.models import ErasedName, Erasure, PastIdentifier, Profile, UserAlias

if TYPE_CHECKING:
    from audiencesync.people.changes import Change

Name = tuple[str, bytes]  # kind, digest
ADDRESSES: tuple[Literal["email", "phone"], ...] = ("email", "phone")
CHUNK = 2000


def digest(app_group: AppGroup, kind: str, value: bytes) -> bytes:
    """Return the salted hash of a name. ``value``: an encoded id, or the SHA-256 of an address."""
    return hmac.digest(bytes(app_group.erasure_salt), kind.encode() + b"\0" + value, "sha256")


def names_of(app_group: AppGroup, profiles: Sequence[Profile]) -> list[tuple[int, Name]]:
    """Return (profile id, name) for all names these profiles have or had."""
    values = [
        (profile.pk, "external_id", profile.external_id.encode())
        for profile in profiles
        if profile.external_id
    ]
    for kind in ADDRESSES:
        values += [
            (profile.pk, kind, bytes(value))
            for profile in profiles
            if (value := getattr(profile, f"{kind}_sha256"))
        ]
    past_identifiers = PastIdentifier.objects.filter(profile__in=profiles, kind__in=ADDRESSES)
    values += [
        (pk, kind, bytes(value))
        for pk, kind, value in past_identifiers.values_list("profile", "kind", "sha256")
    ]
    aliases = UserAlias.objects.filter(profile__in=profiles).values_list("profile", "label", "name")
    values += [(pk, "alias", alias_value(label, name)) for pk, label, name in aliases]
    return [(pk, (kind, digest(app_group, kind, value))) for pk, kind, value in values]


def alias_value(label: str, name: str) -> bytes:
    """Return label and name of an alias as one byte string."""
    return f"{label}\0{name}".encode()


def write(
    app_group: AppGroup, names: Iterable[Name], *, erasure: Erasure | None, now: datetime
) -> None:
    """Record names inside the caller's transaction."""
    on_conflict: dict[str, Any] = {"ignore_conflicts": True}
    if erasure is not None:  # a second erasure replaces the time of the first
        on_conflict = {"update_conflicts": True, "unique_fields": ["app_group", "kind", "digest"]}
        on_conflict["update_fields"] = ["at", "erasure"]
    ErasedName.objects.bulk_create(
        [
            ErasedName(app_group=app_group, kind=kind, digest=value, erasure=erasure, at=now)
            for kind, value in sorted(set(names))
        ],
        **on_conflict,
    )


def restore(app_group: AppGroup, names: Mapping[Name, datetime]) -> None:
    """Record names read from the file, with the time of their erasure.

    `_hits_by_former_rule` compares this time with the end of the former rule.
    """
    ErasedName.objects.bulk_create(
        [
            ErasedName(app_group=app_group, kind=kind, digest=value, at=at)
            for (kind, value), at in names.items()
        ],
        ignore_conflicts=True,
    )


def is_used(app_group: AppGroup) -> bool:
    """Return whether the list of this group holds any name."""
    return ErasedName.objects.filter(app_group=app_group).exists()


def blocks_addresses_since(app_group: AppGroup, now: datetime) -> datetime:
    """Return the time after which an erasure still blocks its e-mails and phones.

    External ids and aliases are blocked for ever.
    """
    return now - timedelta(days=app_group.suppression_days)


def blocked_indexes(
    app_group: AppGroup,
    changes: Sequence[Change],
    profile_ids: Mapping[int, int],
    *,
    now: datetime,
    from_file: bool,
) -> set[int]:
    """Return the indexes of changes that name an erased person or set the address of one.

    A file may be older than the erasure, so all its addresses are checked, for `suppression_days`.
    In an API call an address is checked only in changes without an id or alias: an erased person
    may sign up again under a new id. An address that the profile of the change has already is
    never blocked: two people may share it.
    ``profile_ids``: index -> id of the profile found by an id or alias.
    """
    if not is_used(app_group):
        return set()
    address_indexes = {
        index
        for index, change in enumerate(changes)
        if from_file
        or (change.external_id is None and change.alias is None and index not in profile_ids)
    }
    since = blocks_addresses_since(app_group, now)
    hits = _hits(app_group, changes, address_indexes, since=since)
    hits += [
        (index, name)
        for index, name in _hits_by_former_rule(app_group, changes, since=since)
        if index in address_indexes
    ]
    sharing_ids = {
        profile_ids[index]
        for index, (kind, _value) in hits
        if kind in ADDRESSES and index in profile_ids
    }
    sharing = list(Profile.objects.filter(pk__in=sharing_ids)) if sharing_ids else []
    own_names = set(names_of(app_group, sharing)) if sharing else set()
    return {
        index
        for index, name in hits
        if name[0] not in ADDRESSES or (profile_ids.get(index), name) not in own_names
    }


def _hits(
    app_group: AppGroup, changes: Sequence[Change], address_indexes: set[int], *, since: datetime
) -> list[tuple[int, Name]]:
    """Return index and name of changes with a blocked name.

    ``address_indexes``: the changes of which addresses are checked, against erasures after
    ``since``.
    """
    indexed_names = [
        (index, name) for index, change in enumerate(changes) for name in _names(app_group, change)
    ]
    indexed_names += [
        (index, name) for index, name in _addresses(app_group, changes) if index in address_indexes
    ]
    digests = {value for _index, (_kind, value) in indexed_names}
    erased_names = ErasedName.objects.filter(app_group=app_group, digest__in=digests)
    erased_names = erased_names.filter(~Q(kind__in=ADDRESSES) | Q(at__gt=since))
    blocked_names = {
        (kind, bytes(value)) for kind, value in erased_names.values_list("kind", "digest")
    }
    return [(index, name) for index, name in indexed_names if name in blocked_names]


def names_with_receipt(app_group: AppGroup) -> QuerySet[ErasedName]:
    """Return the blocked names that `release` can unblock: those with the row of their erasure."""
    return ErasedName.objects.filter(app_group=app_group, erasure__isnull=False).order_by()


def release(erasure: Erasure, *, now: datetime) -> int:
    """Unblock the names of an erasure, in the file too. Return how many."""
    with transaction.atomic():
        rows = list(ErasedName.objects.select_for_update().filter(erasure=erasure).order_by("pk"))
        lines = [
            {"group": row.app_group_id, "kind": row.kind, "digest": bytes(row.digest).hex()}
            for row in rows
        ]
        ErasedName.objects.filter(pk__in=[row.pk for row in rows]).delete()
        if lines:
            _append(
                Path(settings.ERASURE_LEDGER),
                [line | {"released": now.isoformat()} for line in lines],
            )
    return len(rows)


def receipt_keys(app_group: AppGroup, changes: Sequence[Change]) -> dict[int, str]:
    """Return index -> key of the erasure, for changes that name an erased person."""
    if not is_used(app_group):
        return {}
    indexed_names = [
        (index, name) for index, change in enumerate(changes) for name in _names(app_group, change)
    ]
    indexed_names += _addresses(app_group, changes)
    digests = {value for _index, (_kind, value) in indexed_names}
    erased_names = ErasedName.objects.filter(
        app_group=app_group, digest__in=digests, erasure__isnull=False
    )
    keys = {
        (kind, bytes(value)): key
        for kind, value, key in erased_names.values_list("kind", "digest", "erasure__key")
    }
    return {index: keys[name] for index, name in indexed_names if name in keys}


def _hits_by_former_rule(
    app_group: AppGroup, changes: Sequence[Change], *, since: datetime
) -> list[tuple[int, Name]]:
    """Return index and name of changes with an address that the former rule hashed differently."""
    if app_group.reread_at is None:
        return []
    indexed_names = [
        (index, (kind, value))
        for kind in ADDRESSES
        for index, text in _address_texts(kind, changes)
        for value in former_digests(app_group, kind, text)
    ]
    erased_before = ErasedName.objects.filter(
        app_group=app_group, kind__in=ADDRESSES, at__gt=since, at__lt=app_group.reread_at
    )
    pairs = erased_before.filter(
        digest__in={value for _index, (_kind, value) in indexed_names}
    ).values_list("kind", "digest")
    blocked_names = {(kind, bytes(value)) for kind, value in pairs}
    return [(index, name) for index, name in indexed_names if name in blocked_names]


def digests(
    app_group: AppGroup, kind: str, values: Iterable[bytes | None], texts: Iterable[str | None] = ()
) -> bytes:
    """Return the digests of names, joined, and those of raw addresses by former rules.

    ``values``: as in `digest`. ``texts``: e-mails or phones as received.
    """
    digests = [digest(app_group, kind, value) for value in values if value]
    for text in filter(None, texts) if app_group.reread_at else ():
        digests += former_digests(app_group, kind, text)
    return b"".join(digests)


def former_digests(app_group: AppGroup, kind: str, text: str) -> list[bytes]:
    """Return the digests of an e-mail or phone by former rules; none if the group had none."""
    if app_group.reread_at is None:
        return []
    hashes = former_rules.former_hashes(kind, text, region=app_group.phone_region)
    return [digest(app_group, kind, value) for value in hashes]


def _names(app_group: AppGroup, change: Change) -> Iterator[Name]:
    if change.external_id is not None:
        yield "external_id", digest(app_group, "external_id", change.external_id.encode())
    if change.alias is not None:
        yield "alias", digest(app_group, "alias", alias_value(*change.alias))


def _addresses(app_group: AppGroup, changes: Sequence[Change]) -> list[tuple[int, Name]]:
    """Return the e-mails and phones that changes look up or set."""
    indexed_names: list[tuple[int, Name]] = []
    for kind in ADDRESSES:
        for index, text in _address_texts(kind, changes):
            normalised = normalise.normalise(kind, text, region=app_group.phone_region)
            if normalised.sha256 is not None:
                indexed_names.append((index, (kind, digest(app_group, kind, normalised.sha256))))
    return indexed_names


def _address_texts(kind: str, changes: Sequence[Change]) -> Iterator[tuple[int, str]]:
    """Yield index and text of each e-mail, or phone, of the changes."""
    for index, change in enumerate(changes):
        for text in (getattr(change, kind), change.fields.get(kind)):
            if text:
                yield index, str(text)


def restored_people(app_group: AppGroup, names: set[Name]) -> list[int]:
    """Return the ids of erased profiles that a restore brought back.

    A profile with an external id or alias is matched by these alone: they never change, and an
    address may belong to another person as well.
    """
    restored_ids: list[int] = []
    for chunk in chunks.walk(Profile.objects.filter(app_group=app_group), CHUNK):
        profiles = list(chunk.order_by("pk"))
        names_by_profile: dict[int, set[Name]] = defaultdict(set)
        for pk, name in names_of(app_group, profiles):
            names_by_profile[pk].add(name)
        for pk, own_names in names_by_profile.items():
            own_ids = {name for name in own_names if name[0] not in ADDRESSES}
            if names & (own_ids or own_names):
                restored_ids.append(pk)
    return sorted(restored_ids)


def append_to_file() -> int:
    """Append the names that are not in the file yet, with fsync. Return how many."""
    path = Path(settings.ERASURE_LEDGER)
    with transaction.atomic():
        rows = list(
            ErasedName.objects.select_for_update().filter(is_filed=False).order_by("pk")[:5000]
        )
        if not rows:
            return 0
        _append(
            path,
            [
                {
                    "group": row.app_group_id,
                    "kind": row.kind,
                    "digest": bytes(row.digest).hex(),
                    "at": row.at,
                }
                for row in rows
            ],
        )
        ErasedName.objects.filter(pk__in=[row.pk for row in rows]).update(is_filed=True)
    return len(rows)


def _append(path: Path, lines: Iterable[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(
        os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="ascii"
    ) as file:
        file.write("\n")  # ends a line that a crash or a full disk has cut off
        for line in lines:
            file.write(json.dumps(line, default=datetime.isoformat) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> dict[int, dict[Name, datetime]]:
    """Return group id -> {name: time} of the file, without names that were released later.

    A line that a crash cut off is left out.
    """
    names_by_group: dict[int, dict[Name, datetime]] = {}
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            names = names_by_group.setdefault(int(entry["group"]), {})
            name = str(entry["kind"]), bytes.fromhex(entry["digest"])
            if "released" in entry:
                names.pop(name, None)
            else:
                names[name] = datetime.fromisoformat(entry["at"])
        except (ValueError, KeyError, TypeError):
            continue
    return names_by_group
