"""Audiences and their members: a journal of accepted mapping requests.

Members are computed when they are read, by applying ("folding") the requests in order. Each read
folds only those that came after the last read.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from threading import RLock
from typing import Any

from tiktok_sandbox.members import Column, Members, count_people, pack, unpack
from tiktok_sandbox.store import Store

PARTNER = "Partner"
LOOKALIKE = "Lookalike Audience"
ENTRIES_PER_READ = 4  # entries of the journal; one may hold 10,000 people


@dataclass(frozen=True)
class Audience:
    id: str
    advertiser_id: str
    name: str
    type: str
    calculate_type: str | None
    base_size: int  # people who did not come through this API
    lookalike_spec: str | None
    created_at: float


@dataclass(frozen=True)
class Entry:
    """One accepted mapping request in the history."""

    action: str
    people: int
    at: float


class Audiences:
    """All audiences. `size_delay`: seconds between two counts of a size; TikTok takes days."""

    def __init__(self, store: Store, *, size_delay: float = 0) -> None:
        self.store = store
        self.size_delay = size_delay
        self.folded: dict[str, tuple[int, Members]] = {}  # audience id -> (last seq, members)
        self.folding = RLock()  # always taken before the store's own lock

    def of(self, advertiser_id: str) -> list[Audience]:
        """Return the audiences of an ad account, newest first."""
        sql = "SELECT * FROM live_audience WHERE advertiser_id = ? ORDER BY id DESC"
        return [audience_of(row) for row in self.store.all(sql, int(advertiser_id))]

    def everything(self) -> list[Audience]:
        return [
            audience_of(row) for row in self.store.all("SELECT * FROM live_audience ORDER BY id")
        ]

    def get(self, audience_id: str) -> Audience | None:
        rows = self.store.all("SELECT * FROM live_audience WHERE id = ?", int(audience_id))
        return audience_of(rows[0]) if rows else None

    def count(self, advertiser_id: str) -> int:
        sql = "SELECT count(*) FROM live_audience WHERE advertiser_id = ?"
        return int(self.store.all(sql, int(advertiser_id))[0][0])

    def create(
        self,
        advertiser_id: str,
        name: str,
        *,
        kind: str = PARTNER,
        lookalike_spec: str | None = None,
    ) -> str:
        """Create an audience; return its id."""
        # The table still has the deleted audiences, so no id is used twice.
        sql = """
            INSERT INTO audience
                (id, advertiser_id, name, type, calculate_type, lookalike_spec, created_at)
            SELECT max(id) + 1, ?, ?, ?, ?, ?, ? FROM audience RETURNING id"""
        calculate_type = "MULTIPLE_TYPES" if kind == PARTNER else None
        values = (int(advertiser_id), name, kind, calculate_type, lookalike_spec, time.time())
        with self.store.lock, self.store.db:
            return str(self.store.db.execute(sql, values).fetchone()[0])

    def delete(self, audience_id: str) -> None:
        with self.folding:
            self.folded.pop(audience_id, None)
            self.store.write(
                "UPDATE audience SET deleted_at = ? WHERE id = ?", time.time(), int(audience_id)
            )
            self.store.write("DELETE FROM mapping WHERE audience_id = ?", int(audience_id))

    def map(self, action: str, parts: Iterable[tuple[str, list[Column]]]) -> None:
        """Store one accepted request; ``parts`` are (audience id, columns)."""
        sql = """INSERT INTO mapping (audience_id, action, schemas, n, people, at, block)
                 VALUES (?, ?, ?, ?, ?, ?, ?)"""
        now = time.time()
        rows = [
            (*entry_values(audience_id, action, columns), now, pack(columns))
            for audience_id, columns in parts
        ]
        self.store.write_many(sql, rows)

    def members(self, audience_id: str) -> Members:
        """Return the members, folding the requests accepted since the last read."""
        # Read a few requests at a time, so that other threads can use the store meanwhile.
        sql = """SELECT seq, action, schemas, n, block FROM mapping
                 WHERE audience_id = ? AND seq > ? ORDER BY seq LIMIT ?"""
        with self.folding:
            last_seq, members = self.folded.get(audience_id, (0, Members()))
            while rows := self.store.all(sql, int(audience_id), last_seq, ENTRIES_PER_READ):
                for _, action, schemas, n_people, block in rows:
                    members.apply(action, unpack(schemas.split(","), n_people, block))
                last_seq = rows[-1][0]
                self.folded[audience_id] = (last_seq, members)
            return members

    def member_ids(self, audience_id: str) -> list[tuple[str, str]]:
        """Return (schema, hash in hex) of every member id."""
        with self.folding:
            return list(self.members(audience_id))

    def people(self, audience: Audience) -> int:
        return audience.base_size + self.members(audience.id).people

    def cover_num(self, audience: Audience) -> int:
        """Return the size that the API shows, which is counted again after `size_delay` only."""
        if not self.size_delay:
            return self.people(audience)
        cover_num, covered_at = self.store.all(
            "SELECT cover_num, covered_at FROM audience WHERE id = ?", int(audience.id)
        )[0]
        now = time.time()
        if now < (covered_at or audience.created_at) + self.size_delay:
            return int(cover_num)
        people = self.people(audience)
        sql = "UPDATE audience SET cover_num = ?, covered_at = ? WHERE id = ?"
        self.store.write(sql, people, now, int(audience.id))
        return people

    def history(self, audience_id: str, size: int) -> list[Entry]:
        """Return the newest mapping requests, newest first."""
        sql = (
            "SELECT action, people, at FROM mapping WHERE audience_id = ? ORDER BY seq DESC LIMIT ?"
        )
        return [Entry(*row) for row in self.store.all(sql, int(audience_id), size)]

    def history_count(self, audience_id: str) -> int:
        sql = "SELECT count(*) FROM mapping WHERE audience_id = ?"
        return int(self.store.all(sql, int(audience_id))[0][0])

    def clear(self) -> None:
        with self.folding:
            self.folded.clear()


def audience_of(row: tuple[Any, ...]) -> Audience:
    audience_id, advertiser_id, *others = row
    return Audience(str(audience_id), str(advertiser_id), *others)


def entry_values(
    audience_id: str, action: str, columns: list[Column]
) -> tuple[int, str, str, int, int]:
    """Return audience, action, schemas, number of rows, number of people."""
    schemas = ",".join(column.schema for column in columns)
    return int(audience_id), action, schemas, len(columns[0].mask), count_people(columns)
