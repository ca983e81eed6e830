"""CSV files that a spreadsheet opens without harm: no cell is calculated, and an import takes them back as they were."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from django.http import StreamingHttpResponse

Cell = str | int | float
BOM = b"\xef\xbb\xbf"  # tells Excel that it is UTF-8
PIECE = 64 * 1024  # characters that go out together
_BEGINNINGS = frozenset("'=+-@\t\r")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what is taken for the beginning of a formula, guarded before or not
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


def guarded(cell: str) -> str:
    """A cell that no spreadsheet calculates."""
    return f"'{cell}" if cell[:1] in _BEGINNINGS and _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """A cell as it was before ``guarded``."""
    return cell[1:] if cell[:1] == "'" and _GUARDED.match(cell) else cell


def lines(rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Rows as the pieces of a CSV file, however many there are. Numbers stay numbers, below zero, too."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    yield BOM
    for row in rows:
        writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in row])
        if buffer.tell() > PIECE:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    """What was written, which leaves the buffer empty."""
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode("utf-8", "backslashreplace")


def download(parts: Iterable[bytes], name: str) -> StreamingHttpResponse:
    """A file to keep; no cache keeps it."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(parts, content_type="text/csv; charset=utf-8", headers=headers)
