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
# What a formula begins with, full-width signs too, and what cannot be seen before it. Guarded before or not.
_SIGNS = r"=+\-@\uff1d\uff0b\uff0d\uff20"
_UNSEEN = r"\x00\x0b\x0c\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_BEFORE = rf"['\" \x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000{_UNSEEN}]*"
_AT_FIRST = rf"(?:'*[\t\r\n]|{_BEFORE}[{_SIGNS}])"
_PLACES = rf"(\A(?={{mark}}{_AT_FIRST})|[;\t|\r\n](?={{mark}}{_BEFORE}[{_SIGNS}]))"  # where a spreadsheet may begin a cell
_FORMULA = re.compile(_PLACES.format(mark=""))
_GUARDED = re.compile(_PLACES.format(mark="'") + "'")
_FIRST = re.compile(rf"'{_AT_FIRST}")


def guarded(cell: str) -> str:
    """A cell that no spreadsheet calculates, nor a part of it."""
    return _FORMULA.sub(r"\1'", cell)


def unguarded(cell: str) -> str:
    """A cell as it was before ``guarded``."""
    return _GUARDED.sub(r"\1", cell) if "'" in cell else cell


def unguarded_beginning(cell: str) -> str:
    """A cell of any spreadsheet: what kept its beginning from being calculated is gone."""
    return cell[1:] if _FIRST.match(cell) else cell


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
