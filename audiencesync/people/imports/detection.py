"""Guess how a CSV file is written: encoding, delimiter, header. It is only a suggestion."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import replace

from audiencesync.people.imports import charsets, column_guess
from audiencesync.people.imports.csv_reader import (
    BOMS,
    CURLY_MARKS,
    DELIMITERS,
    Layout,
    Reader,
    Source,
    opening,
)

SAMPLE_BYTES = 128 * 1024
SAMPLE_ROWS = 50
# Cells that must be values, not names of columns: an address, a number, a boolean.
_VALUE = re.compile(r"[^@\s]+@[^@\s]+|\+?[0-9][0-9 ().,:/-]*|true|false", re.IGNORECASE)


def layout(source: Source, *, is_utf8: bool) -> Layout:
    """Guess the layout from the beginning of a file. ``is_utf8``: the whole file may be UTF-8."""
    sample = source.read(0, SAMPLE_BYTES)
    encoding = _encoding(sample, is_utf8=is_utf8)
    text = sample.decode(encoding, "replace").lstrip("\ufeff")
    delimiter = opening(source, encoding).delimiter or _delimiter(
        text, is_cut=len(sample) < source.size
    )
    guess = with_marks(source, Layout(encoding, delimiter))
    return replace(guess, has_header=has_header(source, guess))


def with_marks(source: Source, layout: Layout) -> Layout:
    """Return the layout with ``marks`` set as the cells of the file are quoted."""
    text = source.read(0, SAMPLE_BYTES).decode(layout.encoding, "replace").lstrip("\ufeff")
    lines = [line.strip() for line in text.splitlines()[: SAMPLE_ROWS + 1] if line.strip()]
    lines = lines[1:] or lines  # without the header
    if lines and all(line[0] == line[-1] == "'" and len(line) > 1 for line in lines):
        return replace(layout, marks="single")
    if lines and all(line[0] + line[-1] in CURLY_MARKS for line in lines):
        return replace(layout, marks="curly")
    delimiter = re.escape(DELIMITERS[layout.delimiter])
    spaced_mark = re.compile(rf'(?:^|.*?{delimiter}) +".*')
    n_spaced = sum(spaced_mark.match(line) is not None for line in lines)
    return replace(layout, marks="spaced" if 2 * n_spaced > len(lines) else "")


def _encoding(sample: bytes, *, is_utf8: bool) -> str:
    for name, mark in BOMS.items():
        if sample.startswith(mark):
            return name
    # UTF-16 without a mark: of an ASCII character, one of its two bytes is 0.
    n_even_zeros, n_odd_zeros = sample[::2].count(0), sample[1::2].count(0)
    if max(n_even_zeros, n_odd_zeros) > len(sample) // 8:
        return "utf-16-le" if n_odd_zeros > n_even_zeros else "utf-16-be"
    if is_utf8:
        return "utf-8"
    if sample.isascii():  # the bytes that are not UTF-8 come after the sample
        return "cp1252"
    return charsets.detect(_whole_lines(sample)).encoding


def _whole_lines(sample: bytes) -> bytes:
    """Return the sample without the line that is cut at its end."""
    return sample[: sample.rfind(b"\n") + 1] or sample


def is_sure(source: Source, encoding: str, *, is_utf8: bool) -> bool:
    """Return whether the bytes prove the encoding. If not, users are asked to check the letters."""
    sample = source.read(0, SAMPLE_BYTES)
    if b"\x1b" in sample:  # an escape sequence of an encoding that ``uploads`` does not convert
        return False
    if is_utf8 or encoding.startswith("utf-16") or any(map(sample.startswith, BOMS.values())):
        return True
    return not sample.isascii() and charsets.detect(_whole_lines(sample)) == (encoding, True)


def _delimiter(text: str, *, is_cut: bool) -> str:
    """Return the delimiter that cuts most of the first rows into equally many cells.

    Among several, one that yields a known column name is preferred, then the one with more cells.
    """

    def fitness(delimiter: str) -> tuple[float, bool, int]:
        rows = _rows(text, DELIMITERS[delimiter], is_cut=is_cut)
        if not rows:
            return 0.0, False, 0
        n_cells, n_rows = Counter(map(len, rows)).most_common(1)[0]
        has_known_name = n_cells > 1 and any(column_guess.field_named(cell) for cell in rows[0])
        return (n_rows / len(rows) if n_cells > 1 else 0.0), has_known_name, n_cells

    best = max(DELIMITERS, key=fitness)
    return best if fitness(best)[2] > 1 else "comma"


def _rows(text: str, delimiter: str, *, is_cut: bool) -> list[list[str]]:
    """Return the first rows."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(
            io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True
        ):
            if any(row):
                rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error:
        return rows
    return rows[:-1] if is_cut and 1 < len(rows) <= SAMPLE_ROWS else rows


def has_header(source: Source, layout: Layout) -> bool:
    """Return whether the first row holds names of columns: a known one, or nothing like a value."""
    first_rows = Reader(source, layout, n_columns=0).take(1).rows
    if not first_rows:
        return True
    cells = [cell.strip() for cell in first_rows[0]]
    if any(column_guess.field_named(cell) for cell in cells):
        return True
    return all(cells) and len(set(cells)) == len(cells) and not any(map(_VALUE.fullmatch, cells))
