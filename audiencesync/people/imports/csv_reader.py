"""Read rows of a CSV file from any byte on, in constant memory.

Python's ``csv`` in strict mode parses the rows. On an error only the line where the row began is
rejected, and reading resumes behind it: an unclosed quote does not swallow the rows that follow.
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
# An attribute has up to merging.MOST_BYTES, the last cell of our export several of them.
MOST_CELL, MOST_ROW = 1 * MB, 1 * MB
BLOCK = MB // 2
MOST_TAKEN = 2 * MB  # rough number of bytes read for one chunk of rows
# Characters in which a row must end; a longer one is taken for a line that begins no row.
MOST_LOOKED = 8 * MB
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
# Else a longer quoted cell would be cut in two, and its rest read as rows.
csv.field_size_limit(2 * MOST_LOOKED)
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
MARKS: dict[str, dict[str, Any]] = {
    "": {},
    "spaced": {"skipinitialspace": True},
    "single": {"skipinitialspace": True, "quotechar": "'"},
    "curly": {},
}
CURLY = ("“”", "„“", "„”", "””", "‘’", "‚‘", "«»", "»«")
_NAMES = {character: name for name, character in DELIMITERS.items()}
_SEP = re.compile(r'"?sep=([,;\t|])"?(?:\r\n|\n|\r)', re.IGNORECASE)


class Source(Protocol):
    """Bytes that can be read from any offset."""

    size: int

    def read(self, offset: int, n: int) -> bytes:
        """Return up to ``n`` bytes from ``offset`` on; fewer only at the end."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a file. ``encoding``, ``delimiter``: keys of ENCODINGS and DELIMITERS.

    ``marks``: a key of MARKS; empty if cells are wrapped in plain quotation marks, without blanks
    before them.
    """

    encoding: str = "utf-8"
    delimiter: str = "comma"
    has_header: bool = True
    marks: str = ""


class Reject(NamedTuple):
    """A row that was rejected, or taken without one cell. ``reason``: a key of words.REASONS.

    ``column``: the header, which several columns may have. ``kind``: of an unusable identifier,
    until it is counted; it is not stored.
    """

    line: int
    reason: str
    column: str
    cells: list[str]
    is_imported: bool = False  # the row was, without the cell of this column
    kind: str = ""


@dataclass(slots=True)
class ParsedRows:
    """Rows in the order of the file, each with the line it begins in, and unreadable rows.

    ``is_end``: nothing follows. Empty without ``is_end``: only blank lines were read.
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
        begins = None if position else opening(source, layout.encoding)
        self._start = begins.size if begins else position  # the byte where the block begins
        self.line = begins.lines if begins else line
        self._blank_behind = re.compile(rf'" +(?={re.escape(self.delimiter)}|[\r\n]*\Z)')
        self._size, self._n_read = BLOCK, 0
        self._text, self._base, self._done = "", 0, 0
        self._load()

    @property
    def position(self) -> int:
        """Return the byte behind the last row that was read."""
        self._start += len(self._text[self._base : self._done].encode(self.encoding, self.errors))
        self._base = self._done
        return self._start

    def take(self, most: int) -> ParsedRows:
        """Return up to ``most`` rows, none blank: fewer at the end or after MOST_TAKEN bytes."""
        found, line, n_read = ParsedRows(), self.line, self._n_read
        while len(found) < most:
            if not self._some(found, most):
                found.is_end = True
                break
            if self._n_read - n_read > MOST_TAKEN and self.line > line:
                break
        return found

    def _some(self, found: ParsedRows, most: int) -> bool:
        """Add rows of the current block. Return whether there may be more."""
        full = len(self._text)
        try:
            for cells in self._csv:
                end = self._buffer.tell()
                if end == full and not self._is_last:
                    break
                self._accept(found, cells, end)
                if len(found) >= most:
                    return True
        except csv.Error:
            if self._is_last or self._buffer.tell() < full:
                self._skip_line(found)
                return True
        if self._is_last:
            return False
        if full - self._done < MOST_LOOKED:
            self._more()
        else:
            self._skip_line(found)
        return True

    def _accept(self, found: ParsedRows, cells: list[str], end: int) -> None:
        """Take one row, if it is one, and step behind it."""
        line, self.line = self.line + 1, self._line_base + self._csv.line_num
        begin, self._done = self._done, end
        if not any(cells):
            return
        if self.marks == "curly":
            cells = [bare(cell) for cell in cells]
        elif self._has_spaces and any(
            cell[:1] == " " and cell.lstrip(" ")[:1] == '"' for cell in cells
        ):
            cells = self._without_spaces(self._text[begin:end]) or cells
        self._keep(found, line, cells, begin)

    def _keep(self, found: ParsedRows, line: int, cells: list[str], begin: int) -> None:
        """Add the row, or reject it."""
        end = self._done
        reason = "" if len(cells) == self.n_columns or not self.n_columns else self._fit(cells)
        if end - begin > MOST_CELL and any(
            len(cell.encode(errors="replace")) > MOST_CELL for cell in cells
        ):
            reason = "long"
        if end - begin > MOST_ROW:
            reason, cells = "long", [self._text[begin : begin + MOST_SHOWN]]
        if self._is_odd and not reason:
            reason = _oddness(cells)
        if reason:
            found.rejects.append(Reject(line, reason, "", cells))
        else:
            found.lines.append(line)
            found.rows.append(cells)

    def _fit(self, cells: list[str]) -> str:
        """Pad missing cells, drop surplus empty ones. Return a reason if the row does not fit."""
        cells += [""] * (self.n_columns - len(cells))
        if any(map(str.strip, cells[self.n_columns :])):
            return "columns"
        del cells[self.n_columns :]
        return ""

    def _without_spaces(self, text: str) -> list[str]:
        """Return the cells of a row with blanks around its quotation marks; empty if it is none."""
        try:
            found = list(
                csv.reader([text], delimiter=self.delimiter, strict=True, skipinitialspace=True)
            )
        except csv.Error:
            return []
        return found[0] if len(found) == 1 else []

    def _more(self) -> None:
        """Load the block behind the last row; a larger one if not a single row fitted."""
        self._size = BLOCK if self._done else 2 * self._size
        self._start = self.position
        self._load()

    def _skip_line(self, found: ParsedRows) -> None:
        """Reject the current line, which begins no row or one too long, and resume behind it."""
        self._n_read += self._buffer.tell() - self._done
        begin = self._done
        text = self._rest_of_line()
        is_short = len(text) < MOST_CELL and self._blank_behind.search(text)
        if is_short and (cells := self._without_spaces(self._blank_behind.sub('"', text))):
            self.line += 1
            self._keep(found, self.line, cells, begin)
            self._restart()
            return
        reason = "long" if len(text) > MOST_CELL else "quotes"
        found.rejects.append(Reject(self.line + 1, reason, "", [text.rstrip("\r\n")[:MOST_SHOWN]]))
        while self._done == len(self._text) and not self._is_last and not text.endswith("\n"):
            was_return = text.endswith("\r")
            self._start = self.position
            self._load()
            if was_return and not self._text.startswith("\n"):
                break
            text = self._rest_of_line()
        self.line += 1
        self._restart()

    def _rest_of_line(self) -> str:
        """Step behind the line at hand, or to the end of the block."""
        self._buffer.seek(self._done)
        text = self._buffer.readline()
        self._done += len(text)
        return text

    def _load(self) -> None:
        """Read and decode the block at ``_start``."""
        data = self.source.read(self._start, self._size)
        self._n_read += len(data)
        self._is_last = self._start + len(data) >= self.source.size
        if self._is_last and self.encoding.startswith("utf-16") and len(data) % 2:
            data = data[:-1]
        self._text = codecs.getincrementaldecoder(self.encoding)(self.errors).decode(
            data, final=self._is_last
        )
        self._has_spaces = ' "' in self._text
        self._is_odd = "\0" in self._text or not _is_clean(self._text)
        self._base = self._done = 0
        self._buffer = io.StringIO(self._text, newline="")
        self._restart()

    def _restart(self) -> None:
        self._buffer.seek(self._done)
        self._line_base = self.line
        self._csv = csv.reader(
            self._buffer, delimiter=self.delimiter, strict=True, **MARKS[self.marks]
        )


def bare(cell: str) -> str:
    """Return a cell without the typographic marks around it."""
    plain = cell.strip()
    return plain[1:-1] if len(plain) > 1 and plain[0] + plain[-1] in CURLY else cell


class Opening(NamedTuple):
    """The size of the part before the first row in bytes and lines, and the delimiter it names."""

    size: int
    lines: int
    delimiter: str


def opening(source: Source, encoding: str) -> Opening:
    """Read a byte order mark, and the line ``sep=;`` that Excel understands."""
    data, mark = source.read(0, 64), BOMS.get(encoding, b"")
    size = len(mark) if mark and data.startswith(mark) else 0
    hint = _SEP.match(data[size:].decode(encoding, "replace"))
    if not hint:
        return Opening(size, 0, "")
    return Opening(size + len(hint[0].encode(encoding)), 1, _NAMES[hint[1]])


def _is_clean(text: str) -> bool:
    """Whether all characters can be stored."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _oddness(cells: list[str]) -> str:
    """Return the reason why the characters of a row cannot be stored; empty if they can."""
    if any("\0" in cell for cell in cells):
        return "nul"
    return "" if all(map(_is_clean, cells)) else "encoding"


def read_in_chunks(reader: Reader, most: int) -> Iterator[ParsedRows]:
    """Yield all rows, ``most`` at a time."""
    while True:
        found = reader.take(most)
        yield found
        if found.is_end:
            return
