"""Read rows of a CSV file from any byte on, in constant memory.

Python's ``csv`` in strict mode parses the rows. On an error only the line where the row began is
rejected, and reading resumes after it: an unclosed quote does not swallow the rows that follow.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

MB = 1024 * 1024
MOST_BYTES, MOST_ROWS, MOST_COLUMNS = 500 * MB, 10_000_000, 100
# Bytes of a cell, characters of a row. The last cell of our export may hold many attributes.
MOST_CELL, MOST_ROW = 1 * MB, 1 * MB
BLOCK = MB // 2  # bytes
MOST_CHUNK_BYTES = 2 * MB  # rough number of bytes read for one chunk of rows
# A row must end within so many characters. Otherwise the line where it begins is rejected.
MOST_ROW_CHARACTERS = 8 * MB
MOST_SHOWN = 2000  # characters kept of a line that is no row
BOMS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}
ENCODINGS = {  # encoding -> error handler that carries invalid bytes through and back
    "utf-8": "surrogateescape",
    "utf-16-le": "surrogatepass",
    "utf-16-be": "surrogatepass",
    "cp1252": "surrogateescape",
    "iso-8859-15": "surrogateescape",
    "cp1250": "surrogateescape",
    "cp1251": "surrogateescape",
    "cp1253": "surrogateescape",
    "cp1254": "surrogateescape",
    "mac-roman": "surrogateescape",
    "iso-8859-2": "surrogateescape",
    "koi8-r": "surrogateescape",
    "cp850": "surrogateescape",
    "cp866": "surrogateescape",
    "euc_jp": "surrogateescape",
    "cp932": "surrogateescape",
    "gbk": "surrogateescape",
    "big5": "surrogateescape",
    "cp949": "surrogateescape",
}
# With a lower limit, a longer quoted cell would be cut in two, and its rest read as rows.
csv.field_size_limit(2 * MOST_ROW_CHARACTERS)
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
# How cells are quoted -> options of csv.reader. Curly marks are removed afterwards.
MARKS: dict[str, dict[str, Any]] = {
    "": {},
    "spaced": {"skipinitialspace": True},
    "single": {"skipinitialspace": True, "quotechar": "'"},
    "curly": {},
}
CURLY_MARKS = ("“”", "„“", "„”", "””", "‘’", "‚‘", "«»", "»«")
_DELIMITER_NAMES = {character: name for name, character in DELIMITERS.items()}
_SEP_LINE = re.compile(r'"?sep=([,;\t|])"?(?:\r\n|\n|\r)', re.IGNORECASE)


class Source(Protocol):
    """Bytes that can be read from any offset."""

    size: int

    def read(self, offset: int, n: int) -> bytes:
        """Return up to ``n`` bytes from ``offset`` on; fewer only at the end."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a file. ``encoding``, ``delimiter``: keys of ENCODINGS and DELIMITERS.

    ``marks``: a key of MARKS; empty if cells are wrapped in plain quotation marks, without spaces
    before them.
    """

    encoding: str = "utf-8"
    delimiter: str = "comma"
    has_header: bool = True
    marks: str = ""


class Reject(NamedTuple):
    """A row that was rejected, or imported without one cell. ``reason``: a key of words.REASONS.

    ``column``: the header of the cell; several columns may have the same one. ``kind``: of an
    unusable identifier; needed only for counting, so it is not stored.
    """

    line: int
    reason: str
    column: str
    cells: list[str]
    is_imported: bool = False  # the row was imported without the cell of this column
    kind: str = ""


@dataclass(slots=True)
class ParsedRows:
    """Rows in the order of the file, and rejected rows. ``lines``: the line where each row begins.

    ``is_end``: the file has ended. Without it, even an empty result may be followed by rows.
    """

    lines: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    is_end: bool = False

    def __len__(self) -> int:
        return len(self.rows) + len(self.rejects)


class Reader:
    """Read from ``position`` (bytes) on; ``line`` lines lie before it. ``take`` moves both."""

    def __init__(
        self, source: Source, layout: Layout, *, n_columns: int, position: int = 0, line: int = 0
    ) -> None:
        self.source, self.encoding = source, layout.encoding
        self.errors, self.delimiter = ENCODINGS[layout.encoding], DELIMITERS[layout.delimiter]
        self.n_columns, self.marks = n_columns, layout.marks
        opening_part = None if position else opening(source, layout.encoding)
        self.line = opening_part.lines if opening_part else line
        self._spaces_after_mark = re.compile(rf'" +(?={re.escape(self.delimiter)}|[\r\n]*\Z)')
        self._block_size, self._bytes_read = BLOCK, 0
        # ``_start`` is the byte where ``_text[_counted:]`` begins; ``_text[:_read_to]`` was read.
        self._start = opening_part.size if opening_part else position
        self._text, self._counted, self._read_to = "", 0, 0
        self._load()

    @property
    def position(self) -> int:
        """Return the offset in bytes after the last row that was read."""
        self._start += len(
            self._text[self._counted : self._read_to].encode(self.encoding, self.errors)
        )
        self._counted = self._read_to
        return self._start

    def take(self, max_rows: int) -> ParsedRows:
        """Return up to ``max_rows`` rows that are not blank; fewer at the end of the file.

        Fewer also after MOST_CHUNK_BYTES.
        """
        parsed, line, bytes_before = ParsedRows(), self.line, self._bytes_read
        while len(parsed) < max_rows:
            if not self._read_block(parsed, max_rows):
                parsed.is_end = True
                break
            if self._bytes_read - bytes_before > MOST_CHUNK_BYTES and self.line > line:
                break
        return parsed

    def _read_block(self, parsed: ParsedRows, max_rows: int) -> bool:
        """Add rows of the current block. Return whether there may be more."""
        n_characters = len(self._text)
        try:
            for cells in self._csv:
                end = self._buffer.tell()
                if end == n_characters and not self._is_last:
                    break  # the row may go on in the next block
                self._accept(parsed, cells, end)
                if len(parsed) >= max_rows:
                    return True
        except csv.Error:
            # At the end of a block the cut may cause the error: then the next block decides.
            if self._is_last or self._buffer.tell() < n_characters:
                self._skip_line(parsed)
                return True
        if self._is_last:
            return False
        if n_characters - self._read_to < MOST_ROW_CHARACTERS:
            self._load_next()
        else:
            self._skip_line(parsed)
        return True

    def _accept(self, parsed: ParsedRows, cells: list[str], end: int) -> None:
        """Add one row unless it is blank, and move on after it."""
        line, self.line = self.line + 1, self._line_base + self._csv.line_num
        begin, self._read_to = self._read_to, end
        if not any(cells):
            return
        if self.marks == "curly":
            cells = [without_marks(cell) for cell in cells]
        elif self._has_spaces and any(
            cell[:1] == " " and cell.lstrip(" ")[:1] == '"' for cell in cells
        ):
            cells = self._without_spaces(self._text[begin:end]) or cells
        self._add(parsed, line, cells, begin)

    def _add(self, parsed: ParsedRows, line: int, cells: list[str], begin: int) -> None:
        """Add the row, or reject it."""
        end = self._read_to
        reason = (
            "" if len(cells) == self.n_columns or not self.n_columns else self._fit_columns(cells)
        )
        if end - begin > MOST_CELL and any(
            len(cell.encode(errors="replace")) > MOST_CELL for cell in cells
        ):
            reason = "long"
        if end - begin > MOST_ROW:
            reason, cells = "long", [self._text[begin : begin + MOST_SHOWN]]
        if self._may_be_unstorable and not reason:
            reason = _unstorable_reason(cells)
        if reason:
            parsed.rejects.append(Reject(line, reason, "", cells))
        else:
            parsed.lines.append(line)
            parsed.rows.append(cells)

    def _fit_columns(self, cells: list[str]) -> str:
        """Pad missing cells, drop surplus empty ones. Return a reason if the row does not fit."""
        cells += [""] * (self.n_columns - len(cells))
        if any(map(str.strip, cells[self.n_columns :])):
            return "columns"
        del cells[self.n_columns :]
        return ""

    def _without_spaces(self, text: str) -> list[str]:
        """Parse one row with spaces before its quotation marks; empty if the text is no row."""
        try:
            rows = list(
                csv.reader([text], delimiter=self.delimiter, strict=True, skipinitialspace=True)
            )
        except csv.Error:
            return []
        return rows[0] if len(rows) == 1 else []

    def _load_next(self) -> None:
        """Load the block after the last row; a larger one if the last block held no whole row."""
        self._block_size = BLOCK if self._read_to else 2 * self._block_size
        self._start = self.position
        self._load()

    def _skip_line(self, parsed: ParsedRows) -> None:
        """Reject the current line, where no row or a too long one begins, and resume after it."""
        self._bytes_read += self._buffer.tell() - self._read_to
        begin = self._read_to
        text = self._rest_of_line()
        # If spaces after a closing quotation mark are the only fault, read the row without them.
        is_short = len(text) < MOST_CELL and self._spaces_after_mark.search(text)
        if is_short and (cells := self._without_spaces(self._spaces_after_mark.sub('"', text))):
            self.line += 1
            self._add(parsed, self.line, cells, begin)
            self._restart()
            return
        reason = "long" if len(text) > MOST_CELL else "quotes"
        parsed.rejects.append(Reject(self.line + 1, reason, "", [text.rstrip("\r\n")[:MOST_SHOWN]]))
        # Skip the rest of a line that continues in the next blocks.
        while self._read_to == len(self._text) and not self._is_last and not text.endswith("\n"):
            ended_in_return = text.endswith("\r")
            self._start = self.position
            self._load()
            if ended_in_return and not self._text.startswith("\n"):
                break  # the line ended with the carriage return, at the end of the block
            text = self._rest_of_line()
        self.line += 1
        self._restart()

    def _rest_of_line(self) -> str:
        """Move to the end of the current line, or of the block, and return the text passed."""
        self._buffer.seek(self._read_to)
        text = self._buffer.readline()
        self._read_to += len(text)
        return text

    def _load(self) -> None:
        """Read and decode the block at ``_start``."""
        data = self.source.read(self._start, self._block_size)
        self._bytes_read += len(data)
        self._is_last = self._start + len(data) >= self.source.size
        if self._is_last and self.encoding.startswith("utf-16") and len(data) % 2:
            data = data[:-1]
        self._text = codecs.getincrementaldecoder(self.encoding)(self.errors).decode(
            data, final=self._is_last
        )
        self._has_spaces = ' "' in self._text
        self._may_be_unstorable = "\0" in self._text or not _is_encodable(self._text)
        self._counted = self._read_to = 0
        self._buffer = io.StringIO(self._text, newline="")
        self._restart()

    def _restart(self) -> None:
        """Start a new parser at ``_read_to``."""
        self._buffer.seek(self._read_to)
        self._line_base = self.line
        self._csv = csv.reader(
            self._buffer, delimiter=self.delimiter, strict=True, **MARKS[self.marks]
        )


def without_marks(cell: str) -> str:
    """Return a cell without the typographic marks around it."""
    stripped = cell.strip()
    return (
        stripped[1:-1] if len(stripped) > 1 and stripped[0] + stripped[-1] in CURLY_MARKS else cell
    )


class Opening(NamedTuple):
    """The part before the first row: its size in bytes, its lines, and the delimiter it names."""

    size: int
    lines: int
    delimiter: str


def opening(source: Source, encoding: str) -> Opening:
    """Read a byte order mark, and the line ``sep=;`` that Excel understands."""
    data, bom = source.read(0, 64), BOMS.get(encoding, b"")
    size = len(bom) if bom and data.startswith(bom) else 0
    hint = _SEP_LINE.match(data[size:].decode(encoding, "replace"))
    if not hint:
        return Opening(size, 0, "")
    return Opening(size + len(hint[0].encode(encoding)), 1, _DELIMITER_NAMES[hint[1]])


def _is_encodable(text: str) -> bool:
    """Return whether UTF-8 can hold the text; broken bytes are halves of surrogate pairs in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unstorable_reason(cells: list[str]) -> str:
    """Return the reason why the characters of a row cannot be stored; empty if they can."""
    if any("\0" in cell for cell in cells):
        return "nul"
    return "" if all(map(_is_encodable, cells)) else "encoding"


def read_in_chunks(reader: Reader, max_rows: int) -> Iterator[ParsedRows]:
    """Yield all rows, ``max_rows`` at a time."""
    while True:
        parsed = reader.take(max_rows)
        yield parsed
        if parsed.is_end:
            return
