"""Who was erased: salted hashes of their names, which survive a restore.

They block a return by a file; by a call only under the old id or alias, or by an address alone (`blocked`).

The file (settings.ERASURE_LEDGER) holds a line per name: {"group": 1, "kind": "email", "digest": "...", "at": "..."}.
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
    """What is kept of one name. ``value``: the text of an id; of an e-mail or phone its SHA-256."""
    return hmac.digest(bytes(app_group.erasure_salt), kind.encode() + b"\0" + value, "sha256")


def names_of(app_group: AppGroup, profiles: Sequence[Profile]) -> list[tuple[int, Name]]:
    """All names these people have or had, with the ids of the people."""
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
    """An alias as one value."""
    return f"{label}\0{name}".encode()


def write(
    app_group: AppGroup, names: Iterable[Name], *, erasure: Erasure | None, now: datetime
) -> None:
    """Remember names, inside the caller's transaction."""
    again: dict[str, Any] = {"ignore_conflicts": True}
    if erasure is not None:  # who came back and is erased once more is held back from now on
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
    """Remember names of the file, with their time: by it they are known to be of the old rule."""
    ErasedName.objects.bulk_create(
        [
            ErasedName(app_group=app_group, kind=kind, digest=value, at=at)
            for (kind, value), at in names.items()
        ],
        ignore_conflicts=True,
    )


def is_used(app_group: AppGroup) -> bool:
    """Whether anybody was erased in this group."""
    return ErasedName.objects.filter(app_group=app_group).exists()


def held_since(app_group: AppGroup, now: datetime) -> datetime:
    """Whose erasure is older is no longer held back by an e-mail or phone; by the old id or alias for ever."""
    return now - timedelta(days=app_group.suppression_days)


def blocked(
    app_group: AppGroup,
    changes: Sequence[Change],
    people: Mapping[int, int],
    *,
    now: datetime,
    from_file: bool,
) -> set[int]:
    """The indexes of changes that name somebody who was erased, or would give somebody such an address.

    A file may be older than the erasure, so the addresses in it count for some time. A call that names a person by an
    id or an alias of their own means whoever has it now: somebody erased may have signed up again.
    ``people``: index -> id of whom an id or an alias has found. Some share an address with somebody who was erased: what
    they have already may be told again.
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
    """The names that are held back, of erasures with a receipt."""
    return ErasedName.objects.filter(app_group=app_group, erasure__isnull=False).order_by()


def release(erasure: Erasure, *, now: datetime) -> int:
    """Hold the person of a receipt back no longer, also after a restore; answers how many names went."""
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
    """Index -> key of the receipt, of the changes whose person was erased before and is named in the ledger."""
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
    """The index and the known name of changes that tell an address which the old rule had read as another."""
    if app_group.reread_at is None:
        return []
    named = [
        (index, (kind, value))
        for kind in ADDRESSES
        for index, text in _told(kind, changes)
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
    """All that may be kept of some names, one after the other. ``texts``: as e-mails and phones were told."""
    found = [digest(app_group, kind, value) for value in values if value]
    for text in filter(None, texts) if app_group.reread_at else ():
        found += digests_before(app_group, kind, text)
    return b"".join(found)


def digests_before(app_group: AppGroup, kind: str, text: str) -> list[bytes]:
    """What names of before may have been kept of an e-mail or phone; nothing in groups that never had the old rule."""
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
    """E-mails and phones, by which somebody is found or which they get."""
    found: list[tuple[int, Name]] = []
    for kind in ADDRESSES:
        for index, text in _told(kind, changes):
            judged = normalise.normalise(kind, text, region=app_group.phone_region)
            if judged.sha256 is not None:
                found.append((index, (kind, digest(app_group, kind, judged.sha256))))
    return found


def _told(kind: str, changes: Sequence[Change]) -> Iterator[tuple[int, str]]:
    """The index and the text of every e-mail, or phone, of the changes."""
    for index, one in enumerate(changes):
        for text in (getattr(one, kind), one.fields.get(kind)):
            if text:
                yield index, str(text)


def people_of(app_group: AppGroup, names: set[Name]) -> list[int]:
    """The ids of known people who are meant by these names: after a restore they are here again.

    An external id or an alias is never changed, so whoever has one is meant by it alone: others may have their address.
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


def file(*, path: Path | None = None) -> int:
    """Append the names that are not in the file yet, and make sure they are on the disk; answers how many."""
    target = path or Path(settings.ERASURE_LEDGER)
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
        out.write("\n")  # a line that a crash or a full disk cut off takes none of ours along
        for line in lines:
            out.write(json.dumps(line, default=datetime.isoformat) + "\n")
        out.flush()
        os.fsync(out.fileno())


def read(path: Path) -> dict[int, dict[Name, datetime]]:
    """Group id -> names with their time, of the file, without those that were released later.

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
