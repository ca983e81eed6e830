"""Cuts the changes of one call where one must be written before the next can be read: who is given an e-mail is found
by it from then on, and who loses one no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from audiencesync.groups.models import AppGroup
from audiencesync.people.identifiers import normalise
from audiencesync.people.privacy import erasure_ledger
from audiencesync.people.writing import lookup
from audiencesync.people.writing.lookup import Key

if TYPE_CHECKING:
    from audiencesync.people.changes import Change

_NOBODY: Key = ("", None)  # who is named by an address of no use


def of(app_group: AppGroup, changes: Sequence[Change]) -> list[Sequence[Change]]:
    """Stretches that can each be written at once. Nearly always there is one."""
    if not any(_is_mixed(kind, changes) for kind in erasure_ledger.ADDRESSES):
        return [changes]
    keys = [lookup.key(change, region=app_group.phone_region) or _NOBODY for change in changes]
    people: dict[Key, int | Key] = {**lookup.find(app_group, set(keys) - {_NOBODY})}
    stretches: list[list[Change]] = [[]]
    named: set[Key] = set()  # in this stretch
    changed: set[int | Key] = set()  # in this stretch they got or lost an address
    for change, key in zip(changes, keys, strict=True):
        who, gets = people.get(key, key), _gets(change, region=app_group.phone_region)
        if named & gets or (key[0] in erasure_ledger.ADDRESSES and who in changed):
            stretches.append([])
            named, changed = set(), set()
        stretches[-1].append(change)
        named.add(key)
        if gets:
            changed.add(who)
            people |= dict.fromkeys(gets, who)
    return list(stretches)


def _is_mixed(kind: str, changes: Sequence[Change]) -> bool:
    """Whether some are found by an e-mail (or phone), and some are given another one."""
    return any(_is_given(kind, change) for change in changes) and any(
        change.external_id is None and getattr(change, kind) is not None for change in changes
    )


def _is_given(kind: str, change: Change) -> bool:
    """Whether the change sets or deletes an e-mail (or phone) other than the one it names the person by."""
    return kind in change.fields and (
        change.fields[kind] is None or change.fields[kind] != getattr(change, kind)
    )


def _gets(change: Change, *, region: str) -> set[Key]:
    """The keys by which the person is found after the change; without a hash for what is deleted or of no use."""
    news: set[Key] = set()
    for kind in erasure_ledger.ADDRESSES:
        if _is_given(kind, change):
            digest = normalise.normalise(kind, str(change.fields[kind] or ""), region=region).sha256
            news.add((kind, digest))
    return news
