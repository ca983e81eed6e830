"""Hash people anew whose hashes are of an old rule, some thousands at a time, while the product runs.

The old rule took some phone numbers for those of other people. Where a hash changes, the old one is kept for removals, and
a Misreading makes the queue take it out of the audiences it was sent to (partners/queue/compensation.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from audiencesync.groups.models import AppGroup
from audiencesync.people.identifiers import normalise
from audiencesync.people.identifiers.former_rules import hashes_before
from audiencesync.people.models import KINDS, Misreading, Profile
from audiencesync.people.writing import lookup, rows


def find(app_group: AppGroup, keys: Mapping[lookup.Key, str]) -> dict[lookup.Key, int]:
    """The ids of people whom a key means, and whose hash is still of the old rule. ``keys``: with what was told."""
    if app_group.rework_cursor is None:
        return {}
    region, found = app_group.phone_region, {}
    for (kind, sha256), raw in keys.items():
        old = {f"{kind}_sha256__in": hashes_before(kind, raw, region=region)}
        people = Profile.objects.filter(
            app_group=app_group, rule_version__lt=normalise.RULE_VERSION, **old
        )
        for pk, told in people.order_by("updated_at", "pk").values_list("pk", kind):
            if normalise.normalise(kind, told, region=region).sha256 == sha256:
                found[kind, sha256] = pk
    return found


def reread(app_group: AppGroup, profile_ids: Iterable[int], *, now: datetime) -> None:
    """Hash those of these people anew who need it, inside the caller's transaction."""
    old = Profile.objects.filter(pk__in=list(profile_ids), rule_version__lt=normalise.RULE_VERSION)
    people = rows.locked(app_group.pk, old.values_list("pk", flat=True))
    changed = renew(app_group, people, now=now)
    rows.update(changed, now=now)
    same = {row.id for row in people} - {row.id for row in changed}
    Profile.objects.filter(pk__in=same).update(rule_version=normalise.RULE_VERSION)


def renew(app_group: AppGroup, people: Sequence[rows.Row], *, now: datetime) -> list[rows.Row]:
    """Set the hashes of locked people by the rule of today from what they told; answers the rows that the caller must write.

    Where only hashes are stored nothing can be read again: they stay until the person is told anew.
    """
    old = [row for row in people if row.rule_version < normalise.RULE_VERSION]
    told = [(row.email, row.phone, row.idfa, row.gaid) for row in old]
    past: list[tuple[int, str, bytes]] = []
    changed = []
    for row, found in zip(
        old, normalise.hash_rows(told, region=app_group.phone_region), strict=True
    ):
        before = row.columns()
        past += _renewed(row, found)
        if row.columns() != before:
            changed.append(row)
        row.rule_version = normalise.RULE_VERSION
    note(app_group, past, now=now)
    return changed


def _renewed(row: rows.Row, found: normalise.Hashes) -> list[tuple[int, str, bytes]]:
    """Give a row its new hashes; answers those that it loses."""
    past = []
    for bit, kind in enumerate(KINDS):
        if not getattr(row, kind):
            continue
        old, new = getattr(row, f"{kind}_sha256"), found[bit]
        if old is not None and old != new:
            past.append((row.id, kind, old))
        setattr(row, f"{kind}_sha256", new)
        row.invalid_kinds = row.invalid_kinds & ~(1 << bit) | found.invalid & 1 << bit
    return past


def note(app_group: AppGroup, past: Sequence[tuple[int, str, bytes]], *, now: datetime) -> None:
    """Remember hashes that were never these people's (id, kind, hash): for their removal, now and later."""
    if not past:
        return
    rows.remember(past, now=now)
    Misreading.objects.bulk_create(
        Misreading(app_group=app_group, profile_id=pk, kind=kind, sha256=sha256, at=now)
        for pk, kind, sha256 in past
    )
