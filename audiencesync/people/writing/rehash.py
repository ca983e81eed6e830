"""Rehash profiles whose hashes were made by a former rule, some thousands at a time.

Rule 1 read some phones as those of other people. Where a hash changes, the old one is kept for
removals, and a Misreading makes the queue remove it from the audiences it was sent to
(partners/queue/removals/misreadings.py). Rules before 8 stored no alternative hashes. Adding them
changes no hash that was sent, so it records no old hash and keeps ``updated_at``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from audiencesync.groups.models import AppGroup
from audiencesync.people.identifiers import normalise
from audiencesync.people.identifiers.former_rules import former_hashes
from audiencesync.people.models import KINDS, Misreading, Profile
from audiencesync.people.writing import lookup, rows
from audiencesync.people.writing.columns import Row


def find_by_former_hash(
    app_group: AppGroup, keys: Mapping[lookup.Key, str]
) -> dict[lookup.Key, int]:
    """Return the ids of profiles with these addresses that are still hashed by a former rule.

    ``keys``: key -> the raw e-mail or phone it was made of.
    """
    if app_group.rework_cursor is None:  # all profiles of the group have been reworked
        return {}
    region, ids = app_group.phone_region, {}
    for (kind, sha256), raw in keys.items():
        former_filter = {f"{kind}_sha256__in": former_hashes(kind, raw, region=region)}
        profiles = Profile.objects.filter(
            app_group=app_group, rule_version__lt=normalise.RULE_VERSION, **former_filter
        )
        for pk, stored_raw in profiles.order_by("updated_at", "pk").values_list("pk", kind):
            if normalise.normalise(kind, stored_raw, region=region).sha256 == sha256:
                ids[kind, sha256] = pk
    return ids


def rehash(app_group: AppGroup, profile_ids: Iterable[int], *, now: datetime) -> None:
    """Rehash the profiles that need it, inside the caller's transaction."""
    outdated = Profile.objects.filter(
        pk__in=list(profile_ids), rule_version__lt=normalise.RULE_VERSION
    )
    profiles = rows.lock(app_group.pk, outdated.values_list("pk", flat=True))
    alternatives_before = {row.id: _alternatives(row) for row in profiles}
    changed_rows = renew(app_group, profiles, now=now)
    rows.update(changed_rows, now=now)
    unchanged = {row.id: row for row in profiles}
    for row in changed_rows:
        del unchanged[row.id]
    with_new_alternatives = [
        row for row in unchanged.values() if _alternatives(row) != alternatives_before[row.id]
    ]
    rows.update(with_new_alternatives, now=None)
    unwritten_ids = unchanged.keys() - {row.id for row in with_new_alternatives}
    Profile.objects.filter(pk__in=unwritten_ids).update(rule_version=normalise.RULE_VERSION)


def _alternatives(row: Row) -> tuple[normalise.Digest, normalise.Digest]:
    return row.email_gmail_sha256, row.phone_digits_sha256


def renew(app_group: AppGroup, profiles: Sequence[Row], *, now: datetime) -> list[Row]:
    """Set the hashes of locked profiles by the current rule; return rows with changed main hashes.

    A value that is stored only as a hash keeps it until the value arrives again.
    """
    outdated = [row for row in profiles if row.rule_version < normalise.RULE_VERSION]
    raws = [(row.email, row.phone, row.idfa, row.gaid) for row in outdated]
    past_hashes: list[rows.PastHash] = []
    changed_rows = []
    hashes = normalise.hash_rows(raws, region=app_group.phone_region)
    for row, hashes_of_row in zip(outdated, hashes, strict=True):
        hashes_before_renewal = _main_hashes(row)
        past_hashes += _renew(row, hashes_of_row)
        if _main_hashes(row) != hashes_before_renewal:
            changed_rows.append(row)
    note_misreadings(app_group, past_hashes, now=now)
    return changed_rows


def _renew(row: Row, hashes: normalise.Hashes) -> list[rows.PastHash]:
    """Set the hashes of the stored values; return the hashes that were replaced."""
    past_hashes = []
    for bit, kind in enumerate(KINDS):
        stored = getattr(row, f"{kind}_sha256")
        if not getattr(row, kind):
            continue
        if stored is not None and stored != hashes[bit]:
            past_hashes.append((row.id, kind, stored))
        row.set_hashes(kind, hashes)
    row.rule_version = normalise.RULE_VERSION
    return past_hashes


def _main_hashes(row: Row) -> tuple[object, ...]:
    """Return the hashes that partners are sent, and which values are unusable."""
    return row.invalid_kinds, *(getattr(row, f"{kind}_sha256") for kind in KINDS)


def note_misreadings(
    app_group: AppGroup, past_hashes: Sequence[rows.PastHash], *, now: datetime
) -> None:
    """Record replaced hashes, each with a Misreading so that it is removed from audiences."""
    if not past_hashes:
        return
    rows.record_past_hashes(past_hashes, now=now)
    Misreading.objects.bulk_create(
        Misreading(app_group=app_group, profile_id=pk, kind=kind, sha256=sha256, at=now)
        for pk, kind, sha256 in past_hashes
    )
