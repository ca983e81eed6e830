"""The suppression list of erased people: salted hashes of their names, which survive a restore.

An import cannot bring an erased person back. A call is blocked only if it names the old id or
alias, or an address alone (`blocked`).

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
AT_ONCE = 2000


def digest(app_group: AppGroup, kind: str, value: bytes) -> bytes:
    """Return the salted hash of a name. ``value``: an id as text; an e-mail or phone as SHA-256."""
    return hmac.digest(bytes(app_group.erasure_salt), kind.encode() + b"\0" + value, "sha256")


def names_of(app_group: AppGroup, profiles: Sequence[Profile]) -> list[tuple[int, Name]]:
    """Return (profile id, name) for all names these profiles have or had."""
    found = [
        (one.pk, "external_id", one.external_id.encode()) for one in profiles if one.external_id
    ]
    for kind in ADDRESSES:
        found += [
            (one.pk, kind, bytes(value))
            for one in profiles
            if (value := getattr(one, f"{kind}_sha256"))
        ]
    past = PastIdentifier.objects.filter(profile__in=profiles, kind__in=ADDRESSES)
    found += [
        (pk, kind, bytes(value))
        for pk, kind, value in past.values_list("profile", "kind", "sha256")
    ]
    aliases = UserAlias.objects.filter(profile__in=profiles).values_list("profile", "label", "name")
    found += [(pk, "alias", alias_value(label, name)) for pk, label, name in aliases]
    return [(pk, (kind, digest(app_group, kind, value))) for pk, kind, value in found]


def alias_value(label: str, name: str) -> bytes:
    """Return an alias as one value."""
    return f"{label}\0{name}".encode()


def write(
    app_group: AppGroup, names: Iterable[Name], *, erasure: Erasure | None, now: datetime
) -> None:
    """Record names inside the caller's transaction."""
    again: dict[str, Any] = {"ignore_conflicts": True}
    if erasure is not None:  # a person erased again is blocked from now on
        again = {"update_conflicts": True, "unique_fields": ["app_group", "kind", "digest"]}
        again["update_fields"] = ["at", "erasure"]
    ErasedName.objects.bulk_create(
        [
            ErasedName(app_group=app_group, kind=kind, digest=value, erasure=erasure, at=now)
            for kind, value in sorted(set(names))
        ],
        **again,
    )


def restore(app_group: AppGroup, names: Mapping[Name, datetime]) -> None:
    """Record names of the file with their time, which shows if the old rule hashed them."""
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


def held_since(app_group: AppGroup, now: datetime) -> datetime:
    """Return since when erasures block e-mails and phones; ids and aliases always block."""
    return now - timedelta(days=app_group.suppression_days)


def blocked(
    app_group: AppGroup,
    changes: Sequence[Change],
    people: Mapping[int, int],
    *,
    now: datetime,
    from_file: bool,
) -> set[int]:
    """Return the indexes of changes that name an erased person or set the address of one.

    A file may be older than the erasure, so its addresses count for `suppression_days`. A call
    with an id or alias of its own means the present owner: an erased person may sign up again.
    ``people``: index -> id of the profile found by an id or alias. A profile may share an address
    with an erased person: an address that it has already may be sent again.
    """
    if not is_used(app_group):
        return set()
    named = [
        (index, name) for index, change in enumerate(changes) for name in _names(app_group, change)
    ]
    counted = {
        index
        for index, change in enumerate(changes)
        if from_file
        or (change.external_id is None and change.alias is None and index not in people)
    }
    named += [(index, name) for index, name in _addresses(app_group, changes) if index in counted]
    wanted = {value for _index, (_kind, value) in named}
    rows = ErasedName.objects.filter(app_group=app_group, digest__in=wanted)
    rows = rows.filter(~Q(kind__in=ADDRESSES) | Q(at__gt=held_since(app_group, now)))
    known = {(kind, bytes(value)) for kind, value in rows.values_list("kind", "digest")}
    hits = [(index, name) for index, name in named if name in known]
    before = _hits_of_before(app_group, changes, since=held_since(app_group, now))
    hits += [(index, name) for index, name in before if index in counted]
    sharing = {
        people[index] for index, (kind, _value) in hits if kind in ADDRESSES and index in people
    }
    theirs = (
        set(names_of(app_group, list(Profile.objects.filter(pk__in=sharing)))) if sharing else set()
    )
    return {
        index
        for index, name in hits
        if name[0] not in ADDRESSES or (people.get(index), name) not in theirs
    }


def held(app_group: AppGroup) -> QuerySet[ErasedName]:
    """Return the blocked names of erasures with a receipt."""
    return ErasedName.objects.filter(app_group=app_group, erasure__isnull=False).order_by()


def release(erasure: Erasure, *, now: datetime) -> int:
    """Unblock the person of a receipt, also after a restore. Return the number of names."""
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


def receipts(app_group: AppGroup, changes: Sequence[Change]) -> dict[int, str]:
    """Return index -> key of the receipt, for changes of people who were erased before."""
    if not is_used(app_group):
        return {}
    named = [
        (index, name) for index, change in enumerate(changes) for name in _names(app_group, change)
    ]
    named += _addresses(app_group, changes)
    wanted = {value for _index, (_kind, value) in named}
    rows = ErasedName.objects.filter(app_group=app_group, digest__in=wanted, erasure__isnull=False)
    keys = {
        (kind, bytes(value)): key
        for kind, value, key in rows.values_list("kind", "digest", "erasure__key")
    }
    return {index: keys[name] for index, name in named if name in keys}


def _hits_of_before(
    app_group: AppGroup, changes: Sequence[Change], *, since: datetime
) -> list[tuple[int, Name]]:
    """Return index and name of changes with an address that the former rule hashed differently."""
    if app_group.reread_at is None:
        return []
    named = [
        (index, (kind, value))
        for kind in ADDRESSES
        for index, text in _texts(kind, changes)
        for value in digests_before(app_group, kind, text)
    ]
    old = ErasedName.objects.filter(
        app_group=app_group, kind__in=ADDRESSES, at__gt=since, at__lt=app_group.reread_at
    )
    rows = old.filter(digest__in={value for _index, (_kind, value) in named}).values_list(
        "kind", "digest"
    )
    known = {(kind, bytes(value)) for kind, value in rows}
    return [(index, name) for index, name in named if name in known]


def digests(
    app_group: AppGroup, kind: str, values: Iterable[bytes | None], texts: Iterable[str | None] = ()
) -> bytes:
    """Return the digests of some names, joined. ``texts``: the e-mails or phones as received."""
    found = [digest(app_group, kind, value) for value in values if value]
    for text in filter(None, texts) if app_group.reread_at else ():
        found += digests_before(app_group, kind, text)
    return b"".join(found)


def digests_before(app_group: AppGroup, kind: str, text: str) -> list[bytes]:
    """Return digests by former rules of an e-mail or phone; none in groups without such rules."""
    if app_group.reread_at is None:
        return []
    found = former_rules.hashes_before(kind, text, region=app_group.phone_region)
    return [digest(app_group, kind, value) for value in found]


def _names(app_group: AppGroup, change: Change) -> Iterator[Name]:
    if change.external_id is not None:
        yield "external_id", digest(app_group, "external_id", change.external_id.encode())
    if change.alias is not None:
        yield "alias", digest(app_group, "alias", alias_value(*change.alias))


def _addresses(app_group: AppGroup, changes: Sequence[Change]) -> list[tuple[int, Name]]:
    """Return the e-mails and phones that changes look up or set."""
    found: list[tuple[int, Name]] = []
    for kind in ADDRESSES:
        for index, text in _texts(kind, changes):
            normalised = normalise.normalise(kind, text, region=app_group.phone_region)
            if normalised.sha256 is not None:
                found.append((index, (kind, digest(app_group, kind, normalised.sha256))))
    return found


def _texts(kind: str, changes: Sequence[Change]) -> Iterator[tuple[int, str]]:
    """Yield index and text of each e-mail, or phone, of the changes."""
    for index, one in enumerate(changes):
        for text in (getattr(one, kind), one.fields.get(kind)):
            if text:
                yield index, str(text)


def people_of(app_group: AppGroup, names: set[Name]) -> list[int]:
    """Return the ids of erased profiles that a restore brought back.

    External ids and aliases never change, so a profile with one is matched by it alone: others
    may have the same address.
    """
    found: list[int] = []
    for some in chunks.walk(Profile.objects.filter(app_group=app_group), AT_ONCE):
        people = list(some.order_by("pk"))
        theirs: dict[int, set[Name]] = defaultdict(set)
        for pk, name in names_of(app_group, people):
            theirs[pk].add(name)
        for pk, known in theirs.items():
            ids = {name for name in known if name[0] not in ADDRESSES}
            if names & (ids or known):
                found.append(pk)
    return sorted(found)


def file() -> int:
    """Append the names that are not in the file yet, with fsync. Return how many."""
    target = Path(settings.ERASURE_LEDGER)
    with transaction.atomic():
        rows = list(
            ErasedName.objects.select_for_update().filter(is_filed=False).order_by("pk")[:5000]
        )
        if not rows:
            return 0
        _append(
            target,
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


def _append(target: Path, lines: Iterable[Mapping[str, object]]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(
        os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="ascii"
    ) as out:
        out.write("\n")  # ends a line that a crash or a full disk has cut off
        for line in lines:
            out.write(json.dumps(line, default=datetime.isoformat) + "\n")
        out.flush()
        os.fsync(out.fileno())


def read(path: Path) -> dict[int, dict[Name, datetime]]:
    """Return group id -> {name: time} of the file, without names that were released later.

    A line that a crash cut off is left out.
    """
    found: dict[int, dict[Name, datetime]] = {}
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        try:
            row = json.loads(line)
            names = found.setdefault(int(row["group"]), {})
            name = str(row["kind"]), bytes.fromhex(row["digest"])
            if "released" in row:
                names.pop(name, None)
            else:
                names[name] = datetime.fromisoformat(row["at"])
        except (ValueError, KeyError, TypeError):
            continue
    return found
