"""Create and update profiles: a handful of statements for thousands, safe beside other writers.

No two calls can deadlock. The order of locks: those of the group (``lookup``, only for profiles
to create), then new rows in the order of their external ids, then known rows in the order of their
ids.
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
from audiencesync.people.writing.attribute_changes import Unfit, merged
from audiencesync.people.writing.columns import Row
from audiencesync.people.writing.lookup import Key


@dataclass(slots=True)
class Upserted:
    """The result; all but the counts is by index of the change."""

    profile_ids: list[int | None]  # one per change, None where there is a problem
    created: int = 0
    updated: int = 0  # profiles that existed, changed or not
    new: set[int] = field(default_factory=set)  # ids of new profiles
    changed: set[int] = field(default_factory=set)  # ids of new profiles and of changed ones
    problems: dict[int, ChangeProblem] = field(default_factory=dict)
    # Kinds whose known value stays, because the given one is unusable.
    kept: dict[int, list[str]] = field(default_factory=dict)
    # Attributes that could not be changed.
    unfit: dict[int, dict[str, attribute_changes.AttributeProblem]] = field(default_factory=dict)

    def append(self, more: Upserted) -> None:
        """Add the result of the changes after these."""
        n = len(self.profile_ids)
        self.problems |= {n + index: problem for index, problem in more.problems.items()}
        self.kept |= {n + index: kinds for index, kinds in more.kept.items()}
        self.unfit |= {n + index: names for index, names in more.unfit.items()}
        self.profile_ids += more.profile_ids
        self.created, self.updated = self.created + more.created, self.updated + more.updated
        self.new |= more.new
        self.changed |= more.changed


def upsert(
    app_group: AppGroup, changes: Sequence[Change], *, now: datetime, from_file: bool = False
) -> Upserted:
    """Apply changes in their order, all or (if this raises) none. Call it once in a transaction.

    ``from_file``: they may be older than an erasure, see erasure_ledger.blocked.
    """
    with transaction.atomic(savepoint=False):
        first, *others = change_order.split(app_group, changes)
        if others:
            _lock_all(app_group, changes)
        done = _Upsert(app_group, first, now, from_file).run()
        # Each part gets a later time: of several profiles with one address, the last one is found.
        for place, part in enumerate(others, start=1):
            later = now + timedelta(microseconds=place)
            done.append(_Upsert(app_group, part, later, from_file).run())
    return done


def refused_as_erased(app_group: AppGroup, changes: Sequence[Change], *, now: datetime) -> set[int]:
    """Return the indexes of changes of a file that ``upsert`` would refuse as erased."""
    if not erasure_ledger.is_used(app_group):
        return set()
    keys = {
        index: lookup.key(change, region=app_group.phone_region)
        for index, change in enumerate(changes)
    }
    known = lookup.find(app_group, {key for key in keys.values() if key})
    profiles = {
        index: known[key]
        for index, key in keys.items()
        if key in known and key[0] not in erasure_ledger.ADDRESSES
    }
    return erasure_ledger.blocked(app_group, changes, profiles, now=now, from_file=True)


def _lock_all(app_group: AppGroup, changes: Sequence[Change]) -> None:
    """Take every lock before the first of several parts, so that no part waits inside another."""
    lookup.lock_newcomers(app_group)
    lookup.lock_names(app_group, alone=True)
    keys = {lookup.key(change, region=app_group.phone_region) for change in changes}
    rows.locked(app_group.pk, set(lookup.find(app_group, [key for key in keys if key]).values()))


class _Upsert:
    """One part of a call of ``upsert``."""

    def __init__(
        self, app_group: AppGroup, changes: Sequence[Change], now: datetime, from_file: bool
    ) -> None:
        self.app_group, self.changes, self.now, self.from_file = app_group, changes, now, from_file
        self.result = Upserted([None] * len(changes))
        self.ids: dict[Key, int] = {}
        self.indexes: dict[Key, list[int]] = {}  # key -> indexes of its changes
        # (profile, kind) -> index of the last change that gives a value
        self.last_index: dict[tuple[int, str], int] = {}
        # (profile, kind) that a change deletes, whatever comes after
        self.deleted: set[tuple[int, str]] = set()

    def run(self) -> Upserted:
        """Find, create, lock and write the profiles."""
        for index, change in enumerate(self.changes):
            key = lookup.key(change, region=self.app_group.phone_region)
            if key is None:
                self.result.problems[index] = "invalid"
            else:
                self.indexes.setdefault(key, []).append(index)
        self.ids |= lookup.find(self.app_group, self.indexes)
        self.ids |= rehash.find(self.app_group, self._unknown_addresses())
        self._leave_out_erased()
        missing = self._missing()
        if any(kind != "external_id" for kind, _value in missing):
            lookup.lock_newcomers(self.app_group)
            self.ids |= lookup.find(self.app_group, missing)
            missing = self._missing()
        if any(kind == "external_id" for kind, _value in missing):
            lookup.lock_names(self.app_group, alone=False)
        created = self._create(missing)
        self._change(created)
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
        # After the lookup: a profile erased in between is either in the ledger by now, or was found
        # and is missing when it is locked.
        profiles = {
            index: self.ids[key]
            for key, indexes in self.indexes.items()
            if key in self.ids and key[0] not in erasure_ledger.ADDRESSES
            for index in indexes
        }
        erased = erasure_ledger.blocked(
            self.app_group, self.changes, profiles, now=self.now, from_file=self.from_file
        )
        if erased:
            self.result.problems |= dict.fromkeys(erased, "erased")
            left = {
                key: [index for index in indexes if index not in erased]
                for key, indexes in self.indexes.items()
            }
            self.indexes = {key: indexes for key, indexes in left.items() if indexes}

    def _missing(self) -> list[Key]:
        """Return the keys of profiles to create."""
        return [
            key
            for key, indexes in self.indexes.items()
            if key not in self.ids
            and key[0] != "id"
            and not all(self.changes[index].only_existing for index in indexes)
        ]

    def _create(self, missing: list[Key]) -> set[int]:
        """Insert profiles with all given values; return their ids."""
        missing.sort(key=lambda key: (key[0], key[1]))
        ids = rows.new_ids(len(missing))
        new = {
            key: Row(pk, external_id=key[1] if key[0] == "external_id" else None)
            for key, pk in zip(missing, ids, strict=True)
        }
        self._apply_all([(row, self._creating_indexes(key)) for key, row in new.items()])
        created = rows.insert(self.app_group.pk, list(new.values()), now=self.now)
        aliases = [(*value, row.id) for (kind, value), row in new.items() if kind == "alias"]
        UserAlias.objects.bulk_create(
            [
                UserAlias(app_group=self.app_group, label=label, name=name, profile_id=pk)
                for label, name, pk in aliases
            ]
        )
        self.ids |= {key: row.id for key, row in new.items() if row.id in created}
        if len(created) < len(new):  # another writer was faster
            self.ids |= lookup.find(self.app_group, [key for key in missing if key not in self.ids])
        self.result.created = len(created)
        return created

    def _creating_indexes(self, key: Key) -> list[int]:
        """Return the indexes from the first change that may create the profile on."""
        indexes = self.indexes[key]
        start = next(
            place for place, index in enumerate(indexes) if not self.changes[index].only_existing
        )
        for index in indexes[:start]:
            self.result.problems[index] = "unknown"
        return indexes[start:]

    def _change(self, created: set[int]) -> None:
        """Lock the known profiles and write their new values."""
        known_indexes: dict[int, list[int]] = defaultdict(list)
        for key, indexes in self.indexes.items():
            pk = self.ids.get(key)
            for index in indexes:
                if pk is None:
                    self.result.problems[index] = "unknown"
                elif index not in self.result.problems:
                    self.result.profile_ids[index] = pk
                    if pk not in created:
                        known_indexes[pk].append(index)
        known = self._locked(known_indexes)
        rehashed = rehash.renew(self.app_group, list(known.values()), now=self.now)
        before = {pk: row.ads_consent for pk, row in known.items()}
        changed = self._apply_all([(known[pk], sorted(some)) for pk, some in known_indexes.items()])
        to_write = {row.id: row for row in (*rehashed, *changed)}
        rows.update([to_write[pk] for pk in sorted(to_write)], now=self.now)
        refused = [
            pk for pk, row in known.items() if row.ads_consent is False and before[pk] is not False
        ]
        consent.record_withdrawals(self.app_group, refused, now=self.now)
        self.result.updated = len(known)
        self.result.new, self.result.changed = created, created | to_write.keys()
        for index in self.result.problems:
            self.result.profile_ids[index] = None

    def _locked(self, indexes: dict[int, list[int]]) -> dict[int, Row]:
        """Lock the known profiles. Changes of one merged since the lookup go to its target."""
        known = {row.id: row for row in rows.locked(self.app_group.pk, indexes)}
        targets = rows.merged_into(indexes.keys() - known.keys())
        for pk, target in targets.items():
            indexes[target] += indexes.pop(pk)
            for index in indexes[target]:
                self.result.profile_ids[index] = target
        late = rows.locked(self.app_group.pk, set(targets.values()) - known.keys())
        known |= {row.id: row for row in late}
        for pk in indexes.keys() - known.keys():  # erased since the lookup
            for index in indexes.pop(pk):
                self.result.problems[index] = "gone"
        return known

    def _apply_all(self, profiles: list[tuple[Row, list[int]]]) -> list[Row]:
        """Apply the changes with these indexes to their rows; return the rows that differ."""
        touched = []
        for row, indexes in profiles:
            before, attributes = row.columns(), row.attributes
            raw: dict[str, str] = {}
            for index in indexes:
                self._apply(row, raw, index)
            new = {kind: value for kind, value in raw.items() if self._is_new(row, kind, value)}
            touched.append((row, before, attributes, new))
        self._hash([(row, new) for row, _before, _attributes, new in touched if new])
        return [
            row
            for row, before, attributes, new in touched
            if new or row.attributes is not attributes or row.columns() != before
        ]

    def _is_new(self, row: Row, kind: str, given: str) -> bool:
        """Return whether an identifier must be written."""
        known = getattr(row, kind)
        if self.hashes_only or not known:
            return self.hashes_only or bool(given)
        is_known_hash = normalise.is_hash_of(given, getattr(row, f"{kind}_sha256"))
        return bool(known != given) and not is_known_hash

    @property
    def hashes_only(self) -> bool:
        """Return whether the group stores hashes instead of identifiers."""
        return self.app_group.hash_only

    def _apply(self, row: Row, raw: dict[str, str], index: int) -> None:
        """Set the values of a change. Identifiers are collected in ``raw`` and hashed together."""
        change, consent_before = self.changes[index], row.ads_consent
        try:
            unfit: dict[str, attribute_changes.AttributeProblem] = {}
            row.attributes = merged(row.attributes, change.attributes, unfit)
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
            row.ads_consent = consent.followed(self.app_group, row.attributes, consent_before)

    def _collect(self, row: Row, raw: dict[str, str], index: int, kind: str, given: str) -> None:
        """Take an identifier, unless it is a placeholder, or unusable after a usable one."""
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
        new, old = (
            normalise.normalise(kind, one, region=self.app_group.phone_region).sha256
            for one in (given, before)
        )
        return new is None and old is not None

    def _is_hash_of_raw(self, before: str, kind: str, given: str) -> bool:
        """Return whether the given value is only the hash of the raw value before it."""
        if not before or len(given.strip()) != 64:
            return False
        found = normalise.normalise(kind, before, region=self.app_group.phone_region)
        return normalise.is_hash_of(given, found.sha256)

    def _hash(self, profiles: list[tuple[Row, dict[str, str]]]) -> None:
        """Set the given identifiers and their hashes; remember the hashes they replace."""
        past: list[rows.PastHash] = []
        given = [
            (raw.get("email", ""), raw.get("phone", ""), raw.get("idfa", ""), raw.get("gaid", ""))
            for _row, raw in profiles
        ]
        hashes = normalise.hash_rows(given, region=self.app_group.phone_region)
        for (row, raw), found in zip(profiles, hashes, strict=True):
            for bit, kind in enumerate(KINDS):
                if kind not in raw:
                    continue
                old, new = getattr(row, f"{kind}_sha256"), found[bit]
                if self._stays(row, kind, raw[kind], found):
                    self.result.kept.setdefault(self.last_index[row.id, kind], []).append(kind)
                    del raw[kind]
                    continue
                if old is not None and old != new:
                    past.append((row.id, kind, old))
                row.set_hashes(kind, found)
                setattr(row, kind, "" if self.hashes_only else raw[kind])
            row.rule_version = normalise.RULE_VERSION
        rows.remember(past, now=self.now)

    def _stays(self, row: Row, kind: str, given: str, found: normalise.Hashes) -> bool:
        """Return whether the known value is usable and the given one is not."""
        is_unusable = bool(found.invalid >> KINDS.index(kind) & 1)
        if getattr(row, f"{kind}_sha256") is None or not is_unusable:
            return False
        return not normalise.is_tracking_refusal(kind, given) and (row.id, kind) not in self.deleted
