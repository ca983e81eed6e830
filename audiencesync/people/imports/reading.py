"""Reads rows of a CSV file from any byte on, in constant memory; a row that cannot be read costs that row only.

Rows come from Python's own ``csv`` in strict mode. Where it stumbles, the line it began with is rejected and reading goes
on behind it: an unclosed quote swallows nothing.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

MB = 1024 * 1024
MOST_BYTES, MOST_ROWS, MOST_COLUMNS = 500 * MB, 10_000_000, 100
MOST_CELL, MOST_ROW = 64 * 1024, 1 * MB
BLOCK = MB // 2
MOST_TAKEN = 2 * MB  # bytes that are read for a stretch, about
MOST_LOOKED = 8 * MB  # characters in which a row must end: what is longer is taken for a line that begins no row
MOST_SHOWN = 2000  # characters that are kept of a line that is no row
BOMS = {"utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
ENCODINGS = {  # what can be chosen -> how bytes that are not of this encoding get through and back
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
}
csv.field_size_limit(2 * MOST_LOOKED)  # else a quoted cell that is longer is cut in two, and its rest read as rows
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
_NAMES = {character: name for name, character in DELIMITERS.items()}
_SEP = re.compile(r'"?sep=([,;\t|])"?(?:\r\n|\n|\r)', re.IGNORECASE)


class Source(Protocol):
    """Bytes that can be read from anywhere."""

    size: int

    def read(self, offset: int, n: int) -> bytes:
        """Up to ``n`` bytes from ``offset`` on; fewer only at the end."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the file is written. ``encoding`` and ``delimiter`` are keys of ENCODINGS and DELIMITERS."""

    encoding: str = "utf-8"
    delimiter: str = "comma"
    has_header: bool = True


class Reject(NamedTuple):
    """A row that was not taken: where it begins, why (a key of words.REASONS), which column, and its cells."""

    line: int
    reason: str
    column: str
    cells: list[str]


@dataclass(slots=True)
class Stretch:
    """Some rows in the order of the file, each with the line it begins in; and those that could not be read.

    ``is_end``: nothing follows. A stretch may be empty and not the end: there were blank lines only.
    """

    lines: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    is_end: bool = False

    def __len__(self) -> int:
        return len(self.rows) + len(self.rejects)


class Reader:
    """Reads on from ``position`` (bytes); ``line`` lines lie before it. After ``take``, both tell where to go on."""

    def __init__(self, source: Source, layout: Layout, *, n_columns: int, position: int = 0, line: int = 0) -> None:
        self.source, self.encoding = source, layout.encoding
        self.errors, self.delimiter = ENCODINGS[layout.encoding], DELIMITERS[layout.delimiter]
        self.n_columns = n_columns
        begins = None if position else opening(source, layout.encoding)
        self._start = begins.size if begins else position  # the byte where the block begins
        self.line = begins.lines if begins else line
        self._size, self._n_read = BLOCK, 0
        self._text, self._base, self._done = "", 0, 0
        self._load()

    @property
    def position(self) -> int:
        """The byte behind the last row that was taken."""
        self._start += len(self._text[self._base : self._done].encode(self.encoding, self.errors))
        self._base = self._done
        return self._start

    def take(self, most: int) -> Stretch:
        """The next ``most`` rows; fewer at the end, or if there is much to read for them. Blank lines are passed over."""
        found, line, n_read = Stretch(), self.line, self._n_read
        while len(found) < most:
            if not self._some(found, most):
                found.is_end = True
                break
            if self._n_read - n_read > MOST_TAKEN and self.line > line:
                break
        return found

    def _some(self, found: Stretch, most: int) -> bool:
        """Rows from the block at hand; whether there may be more."""
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

    def _accept(self, found: Stretch, cells: list[str], end: int) -> None:
        """Take one row, if it is one, and step behind it."""
        line, self.line = self.line + 1, self._line_base + self._csv.line_num
        begin, self._done = self._done, end
        if not any(cells):
            return
        reason = "columns" if len(cells) != self.n_columns and self.n_columns else ""
        if end - begin > MOST_CELL and any(len(cell.encode(errors="replace")) > MOST_CELL for cell in cells):
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

    def _more(self) -> None:
        """Load the block that begins behind the last row; a larger one if not a single row fitted."""
        self._size = BLOCK if self._done else 2 * self._size
        self._start = self.position
        self._load()

    def _skip_line(self, found: Stretch) -> None:
        """The line at hand begins no row, or one that is too long: reject it and go on behind it, however far that is."""
        self._n_read += self._buffer.tell() - self._done
        text = self._rest_of_line()
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
        self._text = codecs.getincrementaldecoder(self.encoding)(self.errors).decode(data, final=self._is_last)
        self._is_odd = "\0" in self._text or not _is_clean(self._text)
        self._base = self._done = 0
        self._buffer = io.StringIO(self._text, newline="")
        self._restart()

    def _restart(self) -> None:
        self._buffer.seek(self._done)
        self._line_base = self.line
        self._csv = csv.reader(self._buffer, delimiter=self.delimiter, strict=True)


class Opening(NamedTuple):
    """What stands before the first row: how many bytes and lines, and the delimiter (a key of DELIMITERS) it tells."""

    size: int
    lines: int
    delimiter: str


def opening(source: Source, encoding: str) -> Opening:
    """A byte order mark, and the line ``sep=;`` that Excel understands."""
    data, mark = source.read(0, 64), BOMS.get(encoding, b"")
    size = len(mark) if mark and data.startswith(mark) else 0
    told = _SEP.match(data[size:].decode(encoding, "replace"))
    if not told:
        return Opening(size, 0, "")
    return Opening(size + len(told[0].encode(encoding)), 1, _NAMES[told[1]])


def _is_clean(text: str) -> bool:
    """Whether every character can be stored."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _oddness(cells: list[str]) -> str:
    """What is wrong with the characters of a row; empty if it is only its neighbours."""
    if any("\0" in cell for cell in cells):
        return "nul"
    return "" if all(map(_is_clean, cells)) else "encoding"


def stretches(reader: Reader, most: int) -> Iterator[Stretch]:
    """Everything, ``most`` rows at a time."""
    while True:
        found = reader.take(most)
        yield found
        if found.is_end:
            return
