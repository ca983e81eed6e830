"""The members of an audience: packed columns of mapping requests, folded in their order."""

from collections.abc import Iterator
from dataclasses import dataclass

# Strongest first: a person is known by the first identifier of their row.
WIDTHS = {
    "EMAIL_SHA256": 32,
    "PHONE_SHA256": 32,
    "IDFA_SHA256": 32,
    "AAID_SHA256": 32,
    "IDFA_MD5": 16,
    "AAID_MD5": 16,
}
STRENGTH = {schema: strength for strength, schema in enumerate(WIDTHS)}


@dataclass(frozen=True)
class Column:
    """One id schema of a request.

    `mask` has a byte per person, 0 or 1; `ids` are the bytes of the filled cells in order.
    """

    schema: str
    mask: bytes
    ids: bytes

    @property
    def n(self) -> int:
        return self.mask.count(1)

    def cells(self) -> list[bytes | None]:
        width = WIDTHS[self.schema]
        filled: list[bytes | None] = [
            self.ids[at : at + width] for at in range(0, len(self.ids), width)
        ]
        if len(filled) == len(self.mask):
            return filled
        remaining = iter(filled)
        return [next(remaining) if present else None for present in self.mask]


def people(columns: list[Column]) -> int:
    """Count the rows with at least one identifier."""
    return either([column.mask for column in columns]).count(1)


def either(masks: list[bytes]) -> bytes:
    """Return the byte-wise OR of masks of the same length."""
    together = 0
    for mask in masks:
        together |= int.from_bytes(mask)
    return together.to_bytes(len(masks[0]))


def pack(columns: list[Column]) -> bytes:
    return b"".join(column.mask + column.ids for column in columns)


def unpack(schemas: list[str], n: int, block: bytes) -> list[Column]:
    columns, at = [], 0
    for schema in schemas:
        mask = block[at : at + n]
        end = at + n + WIDTHS[schema] * mask.count(1)
        columns.append(Column(schema, mask, block[at + n : end]))
        at = end
    return columns


class Members:
    """The members of one audience.

    `owners[schema][id]` is the first identifier of the row that the id came with.
    """

    def __init__(self) -> None:
        self.owners: dict[str, dict[bytes, bytes]] = {}
        self.counted: int | None = 0

    def apply(self, action: str, columns: list[Column]) -> None:
        self.counted = None
        ordered = sorted(columns, key=lambda column: STRENGTH[column.schema])
        if action == "delete":
            self.remove(ordered)
        elif len(ordered) == 1:
            owners = self.owners.setdefault(ordered[0].schema, {})
            for one in filter(None, ordered[0].cells()):
                owners.setdefault(one, one)
        else:
            self.add(ordered)

    def add(self, columns: list[Column]) -> None:
        owners = [self.owners.setdefault(column.schema, {}) for column in columns]
        for row in zip(*(column.cells() for column in columns), strict=True):
            key = None
            for known, one in zip(owners, row, strict=True):
                if one is None:
                    continue
                if key is None:
                    key = known.get(one, one)
                known[one] = key

    def remove(self, columns: list[Column]) -> None:
        for column in columns:
            owners = self.owners.get(column.schema, {})
            for one in filter(None, column.cells()):
                owners.pop(one, None)

    @property
    def people(self) -> int:
        if self.counted is None:
            self.counted = len(set().union(*(owners.values() for owners in self.owners.values())))
        return self.counted

    @property
    def ids(self) -> dict[str, int]:
        return {schema: len(owners) for schema, owners in self.owners.items() if owners}

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for schema, owners in self.owners.items():
            for one in list(owners):
                yield schema, one.hex()
