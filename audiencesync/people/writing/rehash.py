"""Rehash profiles whose hashes were made by a former rule, some thousands at a time.

Rule 1 read some phones as those of other people. Where a hash changes, the old one is kept for
removals, and a Misreading makes the queue remove it from the audiences it was sent to
(partners/queue/removals/misreadings.py). Rules before 8 stored no alternative hashes; filling them
in changes nothing that was sent, so it leaves no trace and keeps ``updated_at``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from audiencesync.groups.models import AppGroup
from audiencesync.people.identifiers import normalise
from audiencesync.people.identifiers.former_rules import hashes_before
from audiencesync.people.models import KINDS, Misreading, Profile
from audiencesync.people.writing import lookup, rows
from audiencesync.people.writing.columns import Row


def find(app_group: AppGroup, keys: Mapping[lookup.Key, str]) -> dict[lookup.Key, int]:
    """Return the ids of profiles that a key means but that are still hashed by a former rule.

    ``keys``: key -> the raw e-mail or phone it was made of.
    """
    if app_group.rework_cursor is None:
        return {}
    region, found = app_group.phone_region, {}
    for (kind, sha256), raw in keys.items():
        old = {f"{kind}_sha256__in": hashes_before(kind, raw, region=region)}
        profiles = Profile.objects.filter(
            app_group=app_group, rule_version__lt=normalise.RULE_VERSION, **old
        )
        for pk, known in profiles.order_by("updated_at", "pk").values_list("pk", kind):
            if normalise.normalise(kind, known, region=region).sha256 == sha256:
                found[kind, sha256] = pk
    return found


def rehash(app_group: AppGroup, profile_ids: Iterable[int], *, now: datetime) -> None:
    """Rehash the profiles that need it, inside the caller's transaction."""
    old = Profile.objects.filter(pk__in=list(profile_ids), rule_version__lt=normalise.RULE_VERSION)
    profiles = rows.locked(app_group.pk, old.values_list("pk", flat=True))
    before = {row.id: _alternatives(row) for row in profiles}
    changed = renew(app_group, profiles, now=now)
    rows.update(changed, now=now)
    same = {row.id: row for row in profiles}
    for row in changed:
        del same[row.id]
    filled = [row for row in same.values() if _alternatives(row) != before[row.id]]
    rows.update(filled, now=None)
    left = same.keys() - {row.id for row in filled}
    Profile.objects.filter(pk__in=left).update(rule_version=normalise.RULE_VERSION)


def _alternatives(row: Row) -> tuple[normalise.Digest, normalise.Digest]:
    return row.email_gmail_sha256, row.phone_digits_sha256


def renew(app_group: AppGroup, profiles: Sequence[Row], *, now: datetime) -> list[Row]:
    """Set the hashes of locked profiles by the current rule; return the rows to write.

    A row with nothing new but its alternative hashes is not returned. Where only hashes are stored
    they stay until the address arrives again.
    """
    old = [row for row in profiles if row.rule_version < normalise.RULE_VERSION]
    raws = [(row.email, row.phone, row.idfa, row.gaid) for row in old]
    past: list[rows.PastHash] = []
    changed = []
    hashes = normalise.hash_rows(raws, region=app_group.phone_region)
    for row, found in zip(old, hashes, strict=True):
        before = _main_hashes(row)
        past += _renew(row, found)
        if _main_hashes(row) != before:
            changed.append(row)
    note_misreadings(app_group, past, now=now)
    return changed


def _renew(row: Row, found: normalise.Hashes) -> list[rows.PastHash]:
    """Set the hashes of the stored values; return the hashes that the row loses."""
    past = []
    for bit, kind in enumerate(KINDS):
        known = getattr(row, f"{kind}_sha256")
        if not getattr(row, kind):
            continue
        if known is not None and known != found[bit]:
            past.append((row.id, kind, known))
        row.set_hashes(kind, found)
    row.rule_version = normalise.RULE_VERSION
    return past


def _main_hashes(row: Row) -> tuple[object, ...]:
    """Return the hashes that partners are sent, and which values are unusable."""
    return row.invalid_kinds, *(getattr(row, f"{kind}_sha256") for kind in KINDS)


def note_misreadings(app_group: AppGroup, past: Sequence[rows.PastHash], *, now: datetime) -> None:
    """Keep hashes that were never those of their profile, for their removal now and later."""
    if not past:
        return
    rows.remember(past, now=now)
    Misreading.objects.bulk_create(
        Misreading(app_group=app_group, profile_id=pk, kind=kind, sha256=sha256, at=now)
        for pk, kind, sha256 in past
    )
