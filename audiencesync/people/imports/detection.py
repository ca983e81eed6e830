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
    CURLY,
    DELIMITERS,
    Layout,
    Reader,
    Source,
    opening,
)

SAMPLE = 128 * 1024
LOOKED_AT = 50  # rows
_VALUE = re.compile(r"[^@\s]+@[^@\s]+|\+?[0-9][0-9 ().,:/-]*|true|false", re.IGNORECASE)


def layout(source: Source, *, is_utf8: bool) -> Layout:
    """Guess the layout from the beginning of a file. ``is_utf8``: all of it may be UTF-8."""
    sample = source.read(0, SAMPLE)
    encoding = _encoding(sample, is_utf8=is_utf8)
    text = sample.decode(encoding, "replace").lstrip("\ufeff")
    delimiter = opening(source, encoding).delimiter or _delimiter(
        text, is_cut=len(sample) < source.size
    )
    found = marked(source, Layout(encoding, delimiter))
    return replace(found, has_header=has_header(source, found))


def marked(source: Source, chosen: Layout) -> Layout:
    """Return the same layout with the marks around its cells."""
    text = source.read(0, SAMPLE).decode(chosen.encoding, "replace").lstrip("\ufeff")
    lines = [line.strip() for line in text.splitlines()[: LOOKED_AT + 1] if line.strip()]
    lines = lines[1:] or lines
    if lines and all(line[0] == line[-1] == "'" and len(line) > 1 for line in lines):
        return replace(chosen, marks="single")
    if lines and all(line[0] + line[-1] in CURLY for line in lines):
        return replace(chosen, marks="curly")
    behind = re.escape(DELIMITERS[chosen.delimiter])
    is_spaced = re.compile(rf'(?:^|.*?{behind}) +".*').match
    spaced = [line for line in lines if is_spaced(line)]
    return replace(chosen, marks="spaced" if 2 * len(spaced) > len(lines) else "")


def _encoding(sample: bytes, *, is_utf8: bool) -> str:
    for name, mark in BOMS.items():
        if sample.startswith(mark):
            return name
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) > len(sample) // 8:
        return "utf-16-le" if odd > even else "utf-16-be"
    if is_utf8 or sample.isascii():
        return "utf-8" if is_utf8 else "cp1252"
    return charsets.find(_whole_lines(sample)).encoding


def _whole_lines(sample: bytes) -> bytes:
    """Return the sample without the line that is cut at its end."""
    return sample[: sample.rfind(b"\n") + 1] or sample


def is_sure(source: Source, encoding: str, *, is_utf8: bool) -> bool:
    """Return whether the bytes prove the encoding. If not, users are asked to check the letters."""
    sample = source.read(0, SAMPLE)
    if b"\x1b" in sample:  # an unknown escape
        return False
    if is_utf8 or encoding.startswith("utf-16") or any(map(sample.startswith, BOMS.values())):
        return True
    return not sample.isascii() and charsets.find(_whole_lines(sample)) == (encoding, True)


def _delimiter(text: str, *, is_cut: bool) -> str:
    """Return the delimiter that cuts most first rows into the same number of cells, and many."""

    def fitness(name: str) -> tuple[float, bool, int]:
        rows = _rows(text, DELIMITERS[name], is_cut=is_cut)
        if not rows:
            return 0.0, False, 0
        size, n = Counter(map(len, rows)).most_common(1)[0]
        knows = size > 1 and any(column_guess.known(cell) for cell in rows[0])
        return (n / len(rows) if size > 1 else 0.0), knows, size

    found = max(DELIMITERS, key=fitness)
    return found if fitness(found)[2] > 1 else "comma"


def _rows(text: str, delimiter: str, *, is_cut: bool) -> list[list[str]]:
    """Return the first rows."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(
            io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True
        ):
            if any(row):
                rows.append(row)
            if len(rows) > LOOKED_AT:
                break
    except csv.Error:
        return rows
    return rows[:-1] if is_cut and 1 < len(rows) <= LOOKED_AT else rows


def has_header(source: Source, chosen: Layout) -> bool:
    """Return whether the first row holds names of columns: a known one, or nothing like a value."""
    first = Reader(source, chosen, n_columns=0).take(1).rows
    if not first:
        return True
    cells = [cell.strip() for cell in first[0]]
    if any(column_guess.known(cell) for cell in cells):
        return True
    return all(cells) and len(set(cells)) == len(cells) and not any(map(_VALUE.fullmatch, cells))
