"""Write what is told about people: a handful of statements for thousands of them, whoever else writes meanwhile.

No two calls can wait for each other in a circle: first the locks of the group (``lookup``, only for people who must be
made), then new rows in the order of their external ids, then known rows in the order of their ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from audiencesync.groups.models import AppGroup
from audiencesync.people.changes import Change, Problem
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import KINDS, UserAlias
from audiencesync.people.privacy import consent, erasure_ledger
from audiencesync.people.writing import attribute_changes, change_order, lookup, rehash, rows
from audiencesync.people.writing.attribute_changes import Unfit, merged
from audiencesync.people.writing.columns import Row
from audiencesync.people.writing.lookup import Key


@dataclass(slots=True)
class Upserted:
    """What came of it. ``profile_ids``: one per change, None where there is a problem; ``problems`` by index."""

    profile_ids: list[int | None]
    created: int = 0
    updated: int = 0  # people who existed, changed or not
    problems: dict[int, Problem] = field(default_factory=dict)
    kept: dict[int, list[str]] = field(
        default_factory=dict
    )  # kinds whose usable value stays: what was told is unusable
    unfit: dict[int, dict[str, attribute_changes.Problem]] = field(
        default_factory=dict
    )  # attributes that could not be changed

    def append(self, more: Upserted) -> None:
        """What came of the changes after these."""
        self.problems |= {
            len(self.profile_ids) + index: problem for index, problem in more.problems.items()
        }
        self.kept |= {len(self.profile_ids) + index: kinds for index, kinds in more.kept.items()}
        self.unfit |= {len(self.profile_ids) + index: names for index, names in more.unfit.items()}
        self.profile_ids += more.profile_ids
        self.created, self.updated = self.created + more.created, self.updated + more.updated


def upsert(
    app_group: AppGroup, changes: Sequence[Change], *, now: datetime, from_file: bool = False
) -> Upserted:
    """Apply all changes in their order, all or (if this raises) none. Call it once in a transaction.

    ``from_file``: they may be older than an erasure, see ledger.blocked.
    """
    with transaction.atomic(savepoint=False):
        first, *others = change_order.split(app_group, changes)
        if others:
            _hold(app_group, changes)
        done = _Upsert(app_group, first, now, from_file).run()
        for place, stretch in enumerate(
            others, start=1
        ):  # each a moment later: of several it is the last who counts
            done.append(
                _Upsert(app_group, stretch, now + timedelta(microseconds=place), from_file).run()
            )
    return done


def refused_as_erased(app_group: AppGroup, changes: Sequence[Change], *, now: datetime) -> set[int]:
    """The indexes of the changes of a file that ``upsert`` would refuse for somebody who was erased. Writes nothing."""
    if not erasure_ledger.is_used(app_group):
        return set()
    keys = {
        index: lookup.key(change, region=app_group.phone_region)
        for index, change in enumerate(changes)
    }
    known = lookup.find(app_group, {key for key in keys.values() if key})
    by_id = {
        index: key
        for index, key in keys.items()
        if key in known and key[0] not in erasure_ledger.ADDRESSES
    }
    people = {index: known[key] for index, key in by_id.items()}
    return erasure_ledger.blocked(app_group, changes, people, now=now, from_file=True)


def _hold(app_group: AppGroup, changes: Sequence[Change]) -> None:
    """Before stretches that lock one after the other: nobody else makes people, and all who are known are locked."""
    lookup.lock_newcomers(app_group)
    lookup.lock_names(app_group, alone=True)
    keys = {lookup.key(change, region=app_group.phone_region) for change in changes}
    rows.locked(app_group.pk, set(lookup.find(app_group, [key for key in keys if key]).values()))


class _Upsert:
    """One call of ``upsert``."""

    def __init__(
        self, app_group: AppGroup, changes: Sequence[Change], now: datetime, from_file: bool
    ) -> None:  # noqa: FBT001  # of upsert alone
        self.app_group, self.changes, self.now, self.from_file = app_group, changes, now, from_file
        self.result = Upserted([None] * len(changes))
        self.ids: dict[Key, int] = {}
        self.wishes: dict[Key, list[int]] = {}  # key -> indexes of its changes
        self.tellers: dict[
            tuple[int, str], int
        ] = {}  # profile and kind -> index of the change that tells it last
        self.deleted: set[tuple[int, str]] = (
            set()
        )  # profile and kind: meant to be empty, whatever comes after

    def run(self) -> Upserted:
        """Find, make, lock, write."""
        for index, change in enumerate(self.changes):
            key = lookup.key(change, region=self.app_group.phone_region)
            if key is None:
                self.result.problems[index] = "invalid"
            else:
                self.wishes.setdefault(key, []).append(index)
        self.ids |= lookup.find(self.app_group, self.wishes)
        self.ids |= rehash.find(self.app_group, self._told_addresses())
        self._leave_out_erased()
        missing = self._missing()
        if any(kind != "external_id" for kind, _value in missing):
            lookup.lock_newcomers(self.app_group)
            self.ids |= lookup.find(self.app_group, missing)
            missing = self._missing()
        if any(kind == "external_id" for kind, _value in missing):
            lookup.lock_names(self.app_group, alone=False)
        made = self._make(missing)
        self._change(made)
        return self.result

    def _told_addresses(self) -> dict[Key, str]:
        """The e-mails and phones by which nobody was found, as they were told."""
        keys = [
            key for key in self.wishes if key[0] in erasure_ledger.ADDRESSES and key not in self.ids
        ]
        return {key: getattr(self.changes[self.wishes[key][0]], key[0]) for key in keys}

    def _leave_out_erased(self) -> None:
        """After looking for people: who is erased in between is either known to the ledger, or found and then gone."""
        people = {
            index: self.ids[key]
            for key, indexes in self.wishes.items()
            if key in self.ids and key[0] not in erasure_ledger.ADDRESSES
            for index in indexes
        }
        erased = erasure_ledger.blocked(
            self.app_group, self.changes, people, now=self.now, from_file=self.from_file
        )
        if erased:
            self.result.problems |= dict.fromkeys(erased, "erased")
            left = {
                key: [index for index in indexes if index not in erased]
                for key, indexes in self.wishes.items()
            }
            self.wishes = {key: indexes for key, indexes in left.items() if indexes}

    def _missing(self) -> list[Key]:
        """Who must be made."""
        return [
            key
            for key, indexes in self.wishes.items()
            if key not in self.ids
            and key[0] != "id"
            and not all(self.changes[index].only_existing for index in indexes)
        ]

    def _make(self, missing: list[Key]) -> set[int]:
        """Insert people with all that is told about them; answers their ids."""
        missing.sort(key=lambda key: (key[0], key[1]))
        ids = rows.new_ids(len(missing))
        new = {
            key: Row(pk, external_id=key[1] if key[0] == "external_id" else None)
            for key, pk in zip(missing, ids, strict=True)
        }
        self._fold([(row, self._indexes(key)) for key, row in new.items()])
        made = rows.insert(self.app_group.pk, list(new.values()), now=self.now)
        aliases = [(*value, row.id) for (kind, value), row in new.items() if kind == "alias"]
        UserAlias.objects.bulk_create(
            [
                UserAlias(app_group=self.app_group, label=label, name=name, profile_id=pk)
                for label, name, pk in aliases
            ]
        )
        self.ids |= {key: row.id for key, row in new.items() if row.id in made}
        if len(made) < len(new):  # somebody else was quicker
            self.ids |= lookup.find(self.app_group, [key for key in missing if key not in self.ids])
        self.result.created = len(made)
        return made

    def _indexes(self, key: Key) -> list[int]:
        """The changes to apply to somebody who is made: the first that may make somebody, and those after it."""
        indexes = self.wishes[key]
        start = next(
            place for place, index in enumerate(indexes) if not self.changes[index].only_existing
        )
        for index in indexes[:start]:
            self.result.problems[index] = "unknown"
        return indexes[start:]

    def _change(self, made: set[int]) -> None:
        """Lock those who existed and write what is new of them."""
        wishes: dict[int, list[int]] = defaultdict(list)
        for key, indexes in self.wishes.items():
            pk = self.ids.get(key)
            for index in indexes:
                if pk is None:
                    self.result.problems[index] = "unknown"
                elif index not in self.result.problems:
                    self.result.profile_ids[index] = pk
                    if pk not in made:
                        wishes[pk].append(index)
        known = self._locked(wishes)
        renewed = {
            row.id: row for row in rehash.renew(self.app_group, list(known.values()), now=self.now)
        }
        before = {pk: row.ads_consent for pk, row in known.items()}
        changed = self._fold([(known[pk], sorted(indexes)) for pk, indexes in wishes.items()])
        written = renewed | {row.id: row for row in changed}
        rows.update([written[pk] for pk in sorted(written)], now=self.now)
        refused = [
            pk for pk, row in known.items() if row.ads_consent is False and before[pk] is not False
        ]
        consent.remember(self.app_group, refused, now=self.now)
        self.result.updated = len(known)
        for index in self.result.problems:
            self.result.profile_ids[index] = None

    def _locked(self, wishes: dict[int, list[int]]) -> dict[int, Row]:
        """Lock those who existed. Who has turned out to be somebody since they were found is written as that person."""
        known = {row.id: row for row in rows.locked(self.app_group.pk, wishes)}
        merged = rows.merged_into(wishes.keys() - known.keys())
        for pk, person in merged.items():
            wishes[person] += wishes.pop(pk)
            for index in wishes[person]:
                self.result.profile_ids[index] = person
        known |= {
            row.id: row
            for row in rows.locked(self.app_group.pk, set(merged.values()) - known.keys())
        }
        for pk in wishes.keys() - known.keys():  # erased since they were found
            for index in wishes.pop(pk):
                self.result.problems[index] = "gone"
        return known

    def _fold(self, people: list[tuple[Row, list[int]]]) -> list[Row]:
        """Apply the changes with these indexes to their rows; answers the rows that are not as they were."""
        touched = []
        for row, indexes in people:
            before, attributes = row.columns(), row.attributes
            raw: dict[str, str] = {}
            for index in indexes:
                self._apply(row, raw, index)
            news = {kind: value for kind, value in raw.items() if self._is_news(row, kind, value)}
            touched.append((row, before, attributes, news))
        self._hash([(row, news) for row, _before, _attributes, news in touched if news])
        return [
            row
            for row, before, attributes, news in touched
            if news or row.attributes is not attributes or row.columns() != before
        ]

    def _is_news(self, row: Row, kind: str, told: str) -> bool:
        """Whether an identifier must be written."""
        known = getattr(row, kind)
        if self.hashes_only or not known:
            return self.hashes_only or bool(told)
        return bool(known != told) and not normalise.is_hash_of(
            told, getattr(row, f"{kind}_sha256")
        )

    @property
    def hashes_only(self) -> bool:
        """Whether the group stores hashes instead of identifiers."""
        return self.app_group.hash_only

    def _apply(self, row: Row, raw: dict[str, str], index: int) -> None:
        """Set what one change names. Identifiers are gathered in ``raw``: they are hashed together."""
        change, known = self.changes[index], row.ads_consent
        try:
            unfit: dict[str, attribute_changes.Problem] = {}
            row.attributes = merged(row.attributes, change.attributes, unfit)
            if unfit:
                self.result.unfit[index] = unfit
        except Unfit as error:
            self.result.problems[index] = error.problem
            return
        for kind in ("email", "phone"):  # somebody made by e-mail has it
            told = getattr(change, kind)
            if told is not None and not getattr(row, f"{kind}_sha256") and kind not in raw:
                raw[kind] = told
        for name, value in change.fields.items():
            if name in KINDS:
                self._gather(row, raw, index, name, str(value or ""))
            elif name in ("ad_tracking_enabled", "ads_consent"):
                setattr(row, name, value)
            else:
                setattr(row, name, value or "")
        if self.app_group.consent_attribute:
            row.ads_consent = consent.followed(self.app_group, row.attributes, known)

    def _gather(self, row: Row, raw: dict[str, str], index: int, kind: str, told: str) -> None:
        """Take an identifier, unless it says nothing, or cannot be used and an earlier change told one that can."""
        before = raw.get(kind, "")
        if normalise.is_placeholder(told) or self._is_told(before, kind, told):
            return
        if not told:
            self.deleted.add((row.id, kind))
        elif before and told != before and self._is_worse(kind, told, before):
            self.result.kept.setdefault(index, []).append(kind)
            return
        raw[kind], self.tellers[row.id, kind] = told, index

    def _is_worse(self, kind: str, told: str, before: str) -> bool:
        """Whether what is told cannot be used, and what was told before can."""
        if normalise.is_tracking_refusal(kind, told):
            return False
        new, old = (
            normalise.normalise(kind, one, region=self.app_group.phone_region).sha256
            for one in (told, before)
        )
        return new is None and old is not None

    def _is_told(self, before: str, kind: str, told: str) -> bool:
        """Whether it is the hash of what was told before."""
        if not before or len(told.strip()) != 64:
            return False
        return normalise.is_hash_of(
            told, normalise.normalise(kind, before, region=self.app_group.phone_region).sha256
        )

    def _hash(self, people: list[tuple[Row, dict[str, str]]]) -> None:
        """Set the named identifiers and their hashes; remember the hashes they replace."""
        past: list[tuple[int, str, bytes]] = []
        given = [
            (raw.get("email", ""), raw.get("phone", ""), raw.get("idfa", ""), raw.get("gaid", ""))
            for _row, raw in people
        ]
        hashes = normalise.hash_rows(given, region=self.app_group.phone_region)
        for (row, raw), found in zip(people, hashes, strict=True):
            for bit, kind in enumerate(KINDS):
                if kind not in raw:
                    continue
                old, new = getattr(row, f"{kind}_sha256"), found[bit]
                if self._stays(row, kind, raw[kind], found):
                    self.result.kept.setdefault(self.tellers[row.id, kind], []).append(kind)
                    del raw[kind]
                    continue
                if old is not None and old != new:
                    past.append((row.id, kind, old))
                row.set_hashes(kind, found)
                setattr(row, kind, "" if self.hashes_only else raw[kind])
            row.rule_version = normalise.RULE_VERSION
        rows.remember(past, now=self.now)

    def _stays(self, row: Row, kind: str, told: str, found: normalise.Hashes) -> bool:
        """Whether what is known can be used, and what is told instead cannot."""
        if getattr(row, f"{kind}_sha256") is None or not found.invalid >> KINDS.index(kind) & 1:
            return False
        return not normalise.is_tracking_refusal(kind, told) and (row.id, kind) not in self.deleted
