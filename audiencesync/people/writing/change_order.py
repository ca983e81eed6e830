"""Split the changes of one call where one must be written before the next can find its profile.

After a change that sets an e-mail, later changes find the profile by it; after a change that
deletes the e-mail, they do not.
"""

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

_NO_KEY: Key = ("", None)  # the key of a change that names its profile by an unusable address


def split(app_group: AppGroup, changes: Sequence[Change]) -> list[Sequence[Change]]:
    """Return the changes in parts that can each be written at once. Nearly always there is one."""
    if not any(_is_mixed(kind, changes) for kind in erasure_ledger.ADDRESSES):
        return [changes]
    keys = [lookup.key(change, region=app_group.phone_region) or _NO_KEY for change in changes]
    # Key -> id of its profile, or the key that creates it.
    profiles: dict[Key, int | Key] = {**lookup.find(app_group, set(keys) - {_NO_KEY})}
    parts: list[list[Change]] = [[]]
    used_keys: set[Key] = set()  # the keys by which this part finds its profiles
    changed_profiles: set[int | Key] = set()  # profiles that got or lost an address in this part
    for change, key in zip(changes, keys, strict=True):
        profile, new_keys = profiles.get(key, key), _new_keys(change, app_group.phone_region)
        is_found_by_address = key[0] in erasure_ledger.ADDRESSES
        # Begin a new part if this part finds a profile by an address that the change sets, or if
        # the change finds its profile by an address and this part changes an address of it.
        if used_keys & new_keys or (is_found_by_address and profile in changed_profiles):
            parts.append([])
            used_keys, changed_profiles = set(), set()
        parts[-1].append(change)
        used_keys.add(key)
        if new_keys:
            changed_profiles.add(profile)
            profiles |= dict.fromkeys(new_keys, profile)
    return list(parts)


def _is_mixed(kind: str, changes: Sequence[Change]) -> bool:
    """Return whether some changes find a profile by this kind and some set another address."""
    return any(_sets_other_address(kind, change) for change in changes) and any(
        change.external_id is None and getattr(change, kind) is not None for change in changes
    )


def _sets_other_address(kind: str, change: Change) -> bool:
    """Return whether a change sets an address other than the one it finds by, or deletes it."""
    return kind in change.fields and (
        change.fields[kind] is None or change.fields[kind] != getattr(change, kind)
    )


def _new_keys(change: Change, region: str) -> set[Key]:
    """Return the address keys that a change gives its profile.

    The hash of a key is None if the address is deleted or unusable.
    """
    keys: set[Key] = set()
    for kind in erasure_ledger.ADDRESSES:
        if _sets_other_address(kind, change):
            digest = normalise.normalise(kind, str(change.fields[kind] or ""), region=region).sha256
            keys.add((kind, digest))
    return keys
