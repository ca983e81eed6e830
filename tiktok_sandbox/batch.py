"""Read the batch_data of a mapping request: from JSON to packed columns, or to an error."""

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from tiktok_sandbox import params
from tiktok_sandbox.members import WIDTHS, Column, count_people, union
from tiktok_sandbox.wire import TikTokError

Cell = dict[str, Any]  # JSON, not yet checked
CHUNK = 1_000  # rows read together: few enough to stay in the processor's cache
HEX = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True)
class Batch:
    """Rows are people, columns are id schemas; each cell has an id and the audiences it goes into.

    `audience_ids`: all audiences that cells name. `is_uniform`: every cell names the same ones.
    """

    schemas: list[str]
    rows: list[list[Cell]]
    columns: list[Column]
    audience_ids: list[str]
    is_uniform: bool
    n_people: int = field(init=False)
    n_ids: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_people", count_people(self.columns))
        object.__setattr__(self, "n_ids", sum(column.n_ids for column in self.columns))

    def columns_for(self, audience_id: str) -> list[Column]:
        """Return the ids that go into one audience."""
        if self.is_uniform:
            return self.columns
        return [
            pick(column, cells, audience_id)
            for column, cells in zip(self.columns, zip(*self.rows, strict=True), strict=True)
        ]

    def without(self, failed_rows: set[int]) -> "Batch | None":
        """Return the batch without the rows with these numbers; None if no row is left."""
        rows = [row for number, row in enumerate(self.rows) if number not in failed_rows]
        return pack_batch(self.schemas, rows) if rows else None

    def rows_with(self, digest: str) -> set[int]:
        """Return the numbers of the rows that hold this hash."""
        return {
            number
            for number, row in enumerate(self.rows)
            if any(str(cell.get("id")).lower() == digest for cell in row)
        }


def pick(column: Column, cells: tuple[Cell, ...], audience_id: str) -> Column:
    """Return the column with only the ids that go into one audience."""
    mask, ids = bytearray(len(cells)), []
    for row, (cell, value) in enumerate(zip(cells, column.cells(), strict=True)):
        if value is not None and audience_id in audience_ids_of(cell):
            mask[row] = 1
            ids.append(value)
    return Column(column.schema, bytes(mask), b"".join(ids))


def audience_ids_of(cell: Cell) -> list[str]:
    audience_ids = cell["audience_ids"]
    return audience_ids if isinstance(audience_ids, list) else []


def read(body: params.Source) -> Batch:
    schemas = read_schemas(body.get("id_schema"))
    rows = body.get("batch_data")
    if rows is None:
        raise params.missing("batch_data")
    if not isinstance(rows, list) or not rows:
        raise params.wrong("batch_data", "should be a non-empty list")
    try:
        return pack_batch(schemas, rows)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise first_error(schemas, rows) from None


def read_schemas(value: object) -> list[str]:
    if value is None:
        raise params.missing("id_schema")
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(schema, str) for schema in value)
    ):
        raise params.wrong("id_schema", "should be a non-empty list of strings")
    schemas = [schema.upper() for schema in value]
    if any(schema not in WIDTHS for schema in schemas):
        raise params.wrong("id_schema", f"should be among {', '.join(WIDTHS)}")
    if len(set(schemas)) < len(schemas):
        raise params.wrong("id_schema", "should not hold duplicates")
    return schemas


def pack_batch(schemas: list[str], rows: list[list[Cell]]) -> Batch:
    """Read all rows in bulk. Raises ValueError, KeyError or TypeError for a bad cell."""
    if set(map(type, rows)) != {list} or set(map(len, rows)) != {len(schemas)}:
        raise ValueError
    parts_of_columns: list[list[tuple[bytes, bytes]]] = [[] for _ in schemas]  # (mask, ids)
    audience_lists: set[tuple[str, ...]] = set()
    for start in range(0, len(rows), CHUNK):
        for index, cells in enumerate(zip(*rows[start : start + CHUNK], strict=True)):
            mask, ids, lists_of_cells = read_cells(WIDTHS[schemas[index]], cells)
            parts_of_columns[index].append((mask, ids))
            audience_lists |= lists_of_cells
    columns = [
        Column(schema, *map(b"".join, zip(*parts, strict=True)))
        for schema, parts in zip(schemas, parts_of_columns, strict=True)
    ]
    audience_ids = set(chain.from_iterable(audience_lists))
    if (
        0 in union([column.mask for column in columns])  # a person without any id
        or () in audience_lists  # an id that goes into no audience
        or not all(map(params.is_id, audience_ids))
    ):
        raise ValueError
    is_uniform = len(audience_lists) == 1
    return Batch(schemas, rows, columns, sorted(audience_ids), is_uniform=is_uniform)


def read_cells(width: int, cells: tuple[Cell, ...]) -> tuple[bytes, bytes, set[tuple[str, ...]]]:
    """Return mask, ids and the distinct lists of audiences of one column of a chunk."""
    if set(map(type, cells)) != {dict}:
        raise ValueError
    filled = [cell for cell in cells if cell]
    mask = b"\1" * len(cells) if len(filled) == len(cells) else bytes(map(bool, cells))
    raw = raw_ids(width, [cell["id"] for cell in filled])
    return mask, raw, distinct([cell["audience_ids"] for cell in filled])


def distinct(lists: list[list[str]]) -> set[tuple[str, ...]]:
    # In most requests every cell names the same audiences; comparing is faster than hashing then.
    if lists and type(lists[0]) is list and lists.count(lists[0]) == len(lists):
        return {tuple(lists[0])}
    if set(map(type, lists)) - {list}:
        raise ValueError
    return set(map(tuple, lists))


def raw_ids(width: int, values: list[str]) -> bytes:
    raw = bytes.fromhex("".join(values))
    # Both lengths are checked, of each value and of all, because fromhex() skips blanks.
    if len(raw) != width * len(values) or not set(map(len, values)) <= {2 * width}:
        raise ValueError
    return raw


def first_error(schemas: list[str], rows: list[object]) -> TikTokError:
    """Return the error that names the first bad row or cell; called only if there is one."""
    for number, row in enumerate(rows):
        place = f"batch_data[{number}]"
        if not isinstance(row, list) or len(row) != len(schemas):
            return params.wrong(
                place, f"should be a list of {len(schemas)} cell(s), one per id_schema"
            )
        if all(cell == {} for cell in row):
            return params.wrong(place, "holds no id")
        for column, (schema, cell) in enumerate(zip(schemas, row, strict=True)):
            error = cell_error(f"{place}[{column}]", WIDTHS[schema], cell)
            if error:
                return error
    return params.wrong("batch_data", "is malformed")


def cell_error(place: str, width: int, cell: object) -> TikTokError | None:
    if not isinstance(cell, dict):
        return params.wrong(place, "should be an object")
    if not cell:
        return None
    value, audience_ids = cell.get("id"), cell.get("audience_ids")
    if not isinstance(value, str) or not value:
        return params.wrong(f"{place}.id", "should be a string")
    if len(value) != 2 * width or not HEX.issuperset(value):
        return TikTokError(
            40062, f"{place}.id: should be hashed, {2 * width} hexadecimal characters."
        )
    if (
        not isinstance(audience_ids, list)
        or not audience_ids
        or not all(map(params.is_id, audience_ids))
    ):
        return params.wrong(
            f"{place}.audience_ids", "should be a non-empty list of integers in strings"
        )
    return None
