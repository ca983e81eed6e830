"""Create and update profiles: a handful of statements for thousands, safe beside other writers.

No two calls can deadlock, because all take their locks in one order: first those of the group
(``lookup``; only to create profiles), then new rows in the order of their external ids, then known
rows in the order of their ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from audiencesync.groups.models import AppGroup
from audiencesync.people.changes import Change, ChangeProblem
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import KINDS, UserAlias
from audiencesync.people.privacy import consent, erasure_ledger
from audiencesync.people.writing import attribute_changes, change_order, lookup, rehash, rows
from audiencesync.people.writing.attribute_changes import Unfit, apply_changes
from audiencesync.people.writing.columns import Row
from audiencesync.people.writing.lookup import Key


@dataclass(slots=True)
class UpsertResult:
    """What was written. Dictionaries are keyed by the index of a change."""

    profile_ids: list[int | None]  # one per change, None where there is a problem
    created: int = 0  # number of new profiles
    new: set[int] = field(default_factory=set)  # ids of new profiles
    changed: set[int] = field(default_factory=set)  # ids of new profiles and of changed ones
    problems: dict[int, ChangeProblem] = field(default_factory=dict)
    # Kinds of identifiers whose stored value stays, because the given one is unusable.
    kept: dict[int, list[str]] = field(default_factory=dict)
    # Attributes that could not be changed, with the reason.
    unfit: dict[int, dict[str, attribute_changes.AttributeProblem]] = field(default_factory=dict)

    def append(self, more: UpsertResult) -> None:
        """Append the result of the next part of the changes."""
        n = len(self.profile_ids)
        self.problems |= {n + index: problem for index, problem in more.problems.items()}
        self.kept |= {n + index: kinds for index, kinds in more.kept.items()}
        self.unfit |= {n + index: names for index, names in more.unfit.items()}
        self.profile_ids += more.profile_ids
        self.created += more.created
        self.new |= more.new
        self.changed |= more.changed


def upsert(
    app_group: AppGroup, changes: Sequence[Change], *, now: datetime, from_file: bool = False
) -> UpsertResult:
    """Apply changes in their order. If this raises, none is applied.

    Call it only once in a transaction: a second call would break the order of locks. ``from_file``:
    the changes may be older than an erasure, see erasure_ledger.blocked_indexes.
    """
    with transaction.atomic(savepoint=False):
        first_part, *later_parts = change_order.split(app_group, changes)
        if later_parts:
            _lock_all(app_group, changes)
        result = _Upsert(app_group, first_part, now, from_file).run()
        # Each part gets a later time, so that of several profiles with one address the lookup finds
        # the one changed last.
        for index, part in enumerate(later_parts, start=1):
            later_time = now + timedelta(microseconds=index)
            result.append(_Upsert(app_group, part, later_time, from_file).run())
    return result


def erased_indexes(app_group: AppGroup, changes: Sequence[Change], *, now: datetime) -> set[int]:
    """Return the indexes of changes of a file that ``upsert`` would refuse as erased."""
    if not erasure_ledger.is_used(app_group):
        return set()
    keys = {
        index: lookup.key(change, region=app_group.phone_region)
        for index, change in enumerate(changes)
    }
    ids_by_key = lookup.find(app_group, {key for key in keys.values() if key})
    profiles = {
        index: ids_by_key[key]
        for index, key in keys.items()
        if key in ids_by_key and key[0] not in erasure_ledger.ADDRESSES
    }
    return erasure_ledger.blocked_indexes(app_group, changes, profiles, now=now, from_file=True)


def _lock_all(app_group: AppGroup, changes: Sequence[Change]) -> None:
    """Take all locks before the first part is written, so that no later part waits for one."""
    lookup.lock_new_anonymous(app_group)
    lookup.lock_external_ids(app_group, alone=True)
    keys = {lookup.key(change, region=app_group.phone_region) for change in changes}
    rows.lock(app_group.pk, set(lookup.find(app_group, [key for key in keys if key]).values()))


class _Upsert:
    """One part of a call of ``upsert``."""

    def __init__(
        self, app_group: AppGroup, changes: Sequence[Change], now: datetime, from_file: bool
    ) -> None:
        self.app_group, self.changes, self.now, self.from_file = app_group, changes, now, from_file
        self.result = UpsertResult([None] * len(changes))
        self.ids: dict[Key, int] = {}
        self.indexes: dict[Key, list[int]] = {}  # key -> indexes of its changes
        # (profile id, kind) -> index of the last change that gives a value
        self.last_index: dict[tuple[int, str], int] = {}
        # (profile id, kind) that a change deletes, even if a later one sets it again
        self.deleted: set[tuple[int, str]] = set()

    def run(self) -> UpsertResult:
        """Find, create, lock and write the profiles."""
        for index, change in enumerate(self.changes):
            key = lookup.key(change, region=self.app_group.phone_region)
            if key is None:
                self.result.problems[index] = "invalid"
            else:
                self.indexes.setdefault(key, []).append(index)
        self.ids |= lookup.find(self.app_group, self.indexes)
        self.ids |= rehash.find_by_former_hash(self.app_group, self._unknown_addresses())
        self._leave_out_erased()
        missing_keys = self._missing_keys()
        if any(kind != "external_id" for kind, _value in missing_keys):
            lookup.lock_new_anonymous(self.app_group)
            self.ids |= lookup.find(self.app_group, missing_keys)
            missing_keys = self._missing_keys()
        if any(kind == "external_id" for kind, _value in missing_keys):
            lookup.lock_external_ids(self.app_group, alone=False)
        created_ids = self._create(missing_keys)
        self._write_known(created_ids)
        return self.result

    def _unknown_addresses(self) -> dict[Key, str]:
        """Return the keys of e-mails and phones that find no profile, with the raw values."""
        keys = [
            key
            for key in self.indexes
            if key[0] in erasure_ledger.ADDRESSES and key not in self.ids
        ]
        return {key: getattr(self.changes[self.indexes[key][0]], key[0]) for key in keys}

    def _leave_out_erased(self) -> None:
        # The ledger is read after the lookup. So a profile that is being erased meanwhile is either
        # in the ledger already, or the lookup has found it and locking it fails.
        profiles = {
            index: self.ids[key]
            for key, indexes in self.indexes.items()
            if key in self.ids and key[0] not in erasure_ledger.ADDRESSES
            for index in indexes
        }
        erased = erasure_ledger.blocked_indexes(
            self.app_group, self.changes, profiles, now=self.now, from_file=self.from_file
        )
        if erased:
            self.result.problems |= dict.fromkeys(erased, "erased")
            remaining = {
                key: [index for index in indexes if index not in erased]
                for key, indexes in self.indexes.items()
            }
            self.indexes = {key: indexes for key, indexes in remaining.items() if indexes}

    def _missing_keys(self) -> list[Key]:
        """Return the keys of profiles to create."""
        return [
            key
            for key, indexes in self.indexes.items()
            if key not in self.ids
            and key[0] != "id"
            and not all(self.changes[index].only_existing for index in indexes)
        ]

    def _create(self, missing_keys: list[Key]) -> set[int]:
        """Insert profiles with all given values; return their ids."""
        missing_keys.sort(key=lambda key: (key[0], key[1]))
        indexes = {key: found for key in missing_keys if (found := self._creating_indexes(key))}
        new_rows = {
            key: Row(pk, external_id=key[1] if key[0] == "external_id" else None)
            for key, pk in zip(indexes, rows.new_ids(len(indexes)), strict=True)
        }
        self._apply_all([(row, indexes[key]) for key, row in new_rows.items()])
        created_ids = rows.insert(self.app_group.pk, list(new_rows.values()), now=self.now)
        aliases = [(*value, row.id) for (kind, value), row in new_rows.items() if kind == "alias"]
        UserAlias.objects.bulk_create(
            [
                UserAlias(app_group=self.app_group, label=label, name=name, profile_id=pk)
                for label, name, pk in aliases
            ]
        )
        self.ids |= {key: row.id for key, row in new_rows.items() if row.id in created_ids}
        if len(created_ids) < len(new_rows):  # another writer was faster
            self.ids |= lookup.find(
                self.app_group, [key for key in missing_keys if key not in self.ids]
            )
        self.result.created = len(created_ids)
        return created_ids

    def _creating_indexes(self, key: Key) -> list[int]:
        """Return the indexes of the first change that can create the profile and of all after it.

        Changes before it have a problem. If no change can create it, return an empty list.
        """
        indexes = self.indexes[key]
        for position, index in enumerate(indexes):
            change = self.changes[index]
            if change.only_existing:
                self.result.problems[index] = "unknown"
            elif not attribute_changes.fits_new_profile(change.attributes):
                self.result.problems[index] = "too_many"
            else:
                return indexes[position:]
        return []

    def _write_known(self, created_ids: set[int]) -> None:
        """Lock the known profiles and write their new values."""
        known_indexes: dict[int, list[int]] = defaultdict(list)
        for key, indexes in self.indexes.items():
            pk = self.ids.get(key)
            for index in indexes:
                if pk is None:
                    self.result.problems.setdefault(index, "unknown")
                elif index not in self.result.problems:
                    self.result.profile_ids[index] = pk
                    if pk not in created_ids:
                        known_indexes[pk].append(index)
        known_rows = self._lock_known(known_indexes)
        rehashed = rehash.renew(self.app_group, list(known_rows.values()), now=self.now)
        consent_before = {pk: row.ads_consent for pk, row in known_rows.items()}
        changed = self._apply_all(
            [(known_rows[pk], sorted(indexes)) for pk, indexes in known_indexes.items()]
        )
        to_write = {row.id: row for row in (*rehashed, *changed)}
        rows.update([to_write[pk] for pk in sorted(to_write)], now=self.now)
        withdrawn_ids = [
            pk
            for pk, row in known_rows.items()
            if row.ads_consent is False and consent_before[pk] is not False
        ]
        consent.record_withdrawals(self.app_group, withdrawn_ids, now=self.now)
        self.result.new, self.result.changed = created_ids, created_ids | to_write.keys()
        for index in self.result.problems:
            self.result.profile_ids[index] = None

    def _lock_known(self, indexes: dict[int, list[int]]) -> dict[int, Row]:
        """Lock the known profiles. The target of one merged since the lookup gets its changes."""
        rows_by_id = {row.id: row for row in rows.lock(self.app_group.pk, indexes)}
        targets = rows.merged_into(indexes.keys() - rows_by_id.keys())
        for pk, target in targets.items():
            indexes[target] += indexes.pop(pk)
            for index in indexes[target]:
                self.result.profile_ids[index] = target
        target_rows = rows.lock(self.app_group.pk, set(targets.values()) - rows_by_id.keys())
        rows_by_id |= {row.id: row for row in target_rows}
        for pk in indexes.keys() - rows_by_id.keys():  # erased since the lookup
            for index in indexes.pop(pk):
                self.result.problems[index] = "gone"
        return rows_by_id

    def _apply_all(self, profiles: list[tuple[Row, list[int]]]) -> list[Row]:
        """Apply to each row the changes with its indexes; return the rows that differ."""
        applied = []
        for row, indexes in profiles:
            columns_before, attributes_before = row.column_values(), row.attributes
            raw: dict[str, str] = {}
            for index in indexes:
                self._apply(row, raw, index)
            new_values = {
                kind: value for kind, value in raw.items() if self._is_new(row, kind, value)
            }
            applied.append((row, columns_before, attributes_before, new_values))
        self._hash(
            [(row, new_values) for row, _before, _attributes, new_values in applied if new_values]
        )
        return [
            row
            for row, columns_before, attributes_before, new_values in applied
            if new_values
            or row.attributes is not attributes_before  # apply_changes returns a new dict
            or row.column_values() != columns_before
        ]

    def _is_new(self, row: Row, kind: str, given: str) -> bool:
        """Return whether a given identifier differs from the stored one, or may differ."""
        if self.hashes_only:  # no value is stored to compare it with
            return True
        stored = getattr(row, kind)
        if not stored:
            return bool(given)
        is_known_hash = normalise.is_hash_of(given, getattr(row, f"{kind}_sha256"))
        return bool(stored != given) and not is_known_hash

    @property
    def hashes_only(self) -> bool:
        """Return whether the group stores hashes instead of identifiers."""
        return self.app_group.hash_only

    def _apply(self, row: Row, raw: dict[str, str], index: int) -> None:
        """Set the values of a change. Identifiers are collected in ``raw`` and hashed together."""
        change, consent_before = self.changes[index], row.ads_consent
        try:
            unfit: dict[str, attribute_changes.AttributeProblem] = {}
            row.attributes = apply_changes(row.attributes, change.attributes, unfit)
            if unfit:
                self.result.unfit[index] = unfit
        except Unfit as error:
            self.result.problems[index] = error.problem
            return
        for kind in ("email", "phone"):  # a profile created by its e-mail has that e-mail
            given = getattr(change, kind)
            if given is not None and not getattr(row, f"{kind}_sha256") and kind not in raw:
                raw[kind] = given
        for name, value in change.fields.items():
            if name in KINDS:
                self._collect(row, raw, index, name, str(value or ""))
            elif name in ("ad_tracking_enabled", "ads_consent"):
                setattr(row, name, value)
            else:
                setattr(row, name, value or "")
        if self.app_group.consent_attribute:
            row.ads_consent = consent.after_change(self.app_group, row.attributes, consent_before)

    def _collect(self, row: Row, raw: dict[str, str], index: int, kind: str, given: str) -> None:
        """Add an identifier to ``raw``, where a later change replaces the value of an earlier one.

        Left out: a placeholder, the hash of the earlier value, and an unusable value after a usable
        one.
        """
        before = raw.get(kind, "")
        if normalise.is_placeholder(given) or self._is_hash_of_raw(before, kind, given):
            return
        if not given:
            self.deleted.add((row.id, kind))
        elif before and given != before and self._is_worse(kind, given, before):
            self.result.kept.setdefault(index, []).append(kind)
            return
        raw[kind], self.last_index[row.id, kind] = given, index

    def _is_worse(self, kind: str, given: str, before: str) -> bool:
        """Return whether the given value is unusable and the one before is usable."""
        if normalise.is_tracking_refusal(kind, given):
            return False
        new_digest, old_digest = (
            normalise.normalise(kind, text, region=self.app_group.phone_region).sha256
            for text in (given, before)
        )
        return new_digest is None and old_digest is not None

    def _is_hash_of_raw(self, before: str, kind: str, given: str) -> bool:
        """Return whether the given value is the hash of the raw value ``before``."""
        if not before or len(given.strip()) != 64:
            return False
        normalised = normalise.normalise(kind, before, region=self.app_group.phone_region)
        return normalise.is_hash_of(given, normalised.sha256)

    def _hash(self, profiles: list[tuple[Row, dict[str, str]]]) -> None:
        """Set the given identifiers and their hashes; record the hashes that they replace."""
        past_hashes: list[rows.PastHash] = []
        raw_values = [
            (raw.get("email", ""), raw.get("phone", ""), raw.get("idfa", ""), raw.get("gaid", ""))
            for _row, raw in profiles
        ]
        hashes = normalise.hash_rows(raw_values, region=self.app_group.phone_region)
        for (row, raw), hashes_of_row in zip(profiles, hashes, strict=True):
            for bit, kind in enumerate(KINDS):
                if kind not in raw:
                    continue
                old_digest, new_digest = getattr(row, f"{kind}_sha256"), hashes_of_row[bit]
                if self._keeps_stored(row, kind, raw[kind], hashes_of_row):
                    self.result.kept.setdefault(self.last_index[row.id, kind], []).append(kind)
                    del raw[kind]
                    continue
                if old_digest is not None and old_digest != new_digest:
                    past_hashes.append((row.id, kind, old_digest))
                row.set_hashes(kind, hashes_of_row)
                setattr(row, kind, "" if self.hashes_only else raw[kind])
            row.rule_version = normalise.RULE_VERSION
        rows.record_past_hashes(past_hashes, now=self.now)

    def _keeps_stored(self, row: Row, kind: str, given: str, hashes: normalise.Hashes) -> bool:
        """Return whether the stored value stays: it is usable, and the given one is not."""
        is_unusable = bool(hashes.invalid >> KINDS.index(kind) & 1)
        if getattr(row, f"{kind}_sha256") is None or not is_unusable:
            return False
        return not normalise.is_tracking_refusal(kind, given) and (row.id, kind) not in self.deleted
