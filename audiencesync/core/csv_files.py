"""CSV export without formula injection: spreadsheets calculate no cell, and an import restores the
original. To guard a cell is to put an apostrophe before what could begin a formula.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from django.http import StreamingHttpResponse

Cell = str | int | float
BOM = b"\xef\xbb\xbf"  # tells Excel that the file is UTF-8
CHUNK_CHARACTERS = 64 * 1024
# Signs that begin a formula (also full-width ones), and invisible characters that may precede them.
_FORMULA_SIGNS = r"=+\-@\uff1d\uff0b\uff0d\uff20"
_UNSEEN = r"\x00\x0b\x0c\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_LEADING = rf"['\" \x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000{_UNSEEN}]*"
# A cell that begins with a tab or line break is guarded, too (OWASP, CSV injection).
_AT_START = rf"(?:'*[\t\r\n]|{_LEADING}[{_FORMULA_SIGNS}])"
# Positions where a spreadsheet may begin a cell: the start, and after another delimiter or a line
# break. `{mark}` is filled in by format: the apostrophe of a guarded cell, or nothing.
_PLACES = rf"(\A(?={{mark}}{_AT_START})|[;\t|\r\n](?={{mark}}{_LEADING}[{_FORMULA_SIGNS}]))"
_FORMULA = re.compile(_PLACES.format(mark=""))
_GUARDED = re.compile(_PLACES.format(mark="'") + "'")
_GUARDED_START = re.compile(rf"'{_AT_START}")


def guard(cell: str) -> str:
    """Return the cell with an apostrophe before everything that a spreadsheet could take for a
    formula.
    """
    return _FORMULA.sub(r"\1'", cell)


def unguard(cell: str) -> str:
    """Return the cell as it was before `guard`."""
    return _GUARDED.sub(r"\1", cell) if "'" in cell else cell


def unguard_start(cell: str) -> str:
    """Return a cell of a file that is not our export without the apostrophe that guards its start.

    Apostrophes inside the cell are part of its text: only our own export guards those places, too.
    """
    return cell[1:] if _GUARDED_START.match(cell) else cell


def stream(rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Yield a CSV file of these rows in chunks of about CHUNK_CHARACTERS.

    Numbers are not guarded, so negative ones stay numbers.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    yield BOM
    for row in rows:
        writer.writerow([guard(cell) if isinstance(cell, str) else cell for cell in row])
        if buffer.tell() > CHUNK_CHARACTERS:
            yield _drain(buffer)
    yield _drain(buffer)


def _drain(buffer: io.StringIO) -> bytes:
    """Return the content of the buffer and empty it."""
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    # A lone surrogate, which UTF-8 cannot encode, must not break off the download.
    return text.encode("utf-8", "backslashreplace")


def download(chunks: Iterable[bytes], name: str) -> StreamingHttpResponse:
    """Return a streamed download that no cache stores."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(chunks, content_type="text/csv; charset=utf-8", headers=headers)
