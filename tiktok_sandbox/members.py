"""Compute the members of an audience from its mapping requests, which are packed in columns."""

from collections.abc import Iterator
from dataclasses import dataclass

# Schema -> bytes of a hash. Of several ids of a person, the first in this order counts the person.
WIDTHS = {
    "EMAIL_SHA256": 32,
    "PHONE_SHA256": 32,
    "IDFA_SHA256": 32,
    "AAID_SHA256": 32,
    "IDFA_MD5": 16,
    "AAID_MD5": 16,
}
RANK = {schema: rank for rank, schema in enumerate(WIDTHS)}


@dataclass(frozen=True)
class Column:
    """One id schema of a request.

    `mask` has a byte per person, 0 or 1; `ids` are the bytes of the filled cells in order.
    """

    schema: str
    mask: bytes
    ids: bytes

    @property
    def n_ids(self) -> int:
        return self.mask.count(1)

    def cells(self) -> list[bytes | None]:
        """Return the id of each person, or None."""
        width = WIDTHS[self.schema]
        filled: list[bytes | None] = [
            self.ids[at : at + width] for at in range(0, len(self.ids), width)
        ]
        if len(filled) == len(self.mask):
            return filled
        remaining = iter(filled)
        return [next(remaining) if present else None for present in self.mask]


def count_people(columns: list[Column]) -> int:
    """Count the rows with at least one identifier."""
    return union([column.mask for column in columns]).count(1)


def union(masks: list[bytes]) -> bytes:
    """Return the byte-wise OR of masks of the same length."""
    bits = 0
    for mask in masks:
        bits |= int.from_bytes(mask)
    return bits.to_bytes(len(masks[0]))


def pack(columns: list[Column]) -> bytes:
    return b"".join(column.mask + column.ids for column in columns)


def unpack(schemas: list[str], n_people: int, block: bytes) -> list[Column]:
    columns, start = [], 0
    for schema in schemas:
        ids_start = start + n_people
        mask = block[start:ids_start]
        end = ids_start + WIDTHS[schema] * mask.count(1)
        columns.append(Column(schema, mask, block[ids_start:end]))
        start = end
    return columns


class Members:
    """The ids in one audience. The ids of one row belong to one person, who is counted once.

    `owners[schema][id]` is the id that stands for the person: the strongest one of the row.
    """

    def __init__(self) -> None:
        self.owners: dict[str, dict[bytes, bytes]] = {}
        self.n_people: int | None = 0  # None: not counted since the last change

    def apply(self, action: str, columns: list[Column]) -> None:
        self.n_people = None
        strongest_first = sorted(columns, key=lambda column: RANK[column.schema])
        if action == "delete":
            self.remove(strongest_first)
        elif len(strongest_first) == 1:  # the same as `add`, but faster
            [column] = strongest_first
            owners = self.owners.setdefault(column.schema, {})
            for id_ in filter(None, column.cells()):
                owners.setdefault(id_, id_)
        else:
            self.add(strongest_first)

    def add(self, columns: list[Column]) -> None:
        owners = [self.owners.setdefault(column.schema, {}) for column in columns]
        for row in zip(*(column.cells() for column in columns), strict=True):
            owner = None
            for owners_of_schema, id_ in zip(owners, row, strict=True):
                if id_ is None:
                    continue
                if owner is None:
                    owner = owners_of_schema.get(id_, id_)
                owners_of_schema[id_] = owner

    def remove(self, columns: list[Column]) -> None:
        for column in columns:
            owners = self.owners.get(column.schema, {})
            for id_ in filter(None, column.cells()):
                owners.pop(id_, None)

    @property
    def people(self) -> int:
        if self.n_people is None:
            self.n_people = len(set().union(*(owners.values() for owners in self.owners.values())))
        return self.n_people

    @property
    def ids(self) -> dict[str, int]:
        return {schema: len(owners) for schema, owners in self.owners.items() if owners}

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for schema, owners in self.owners.items():
            for id_ in list(owners):
                yield schema, id_.hex()
