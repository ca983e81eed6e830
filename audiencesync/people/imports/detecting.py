"""Guesses how a CSV file is written: encoding, delimiter, whether its first row holds names. Only ever a suggestion."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter

import charset_normalizer

from audiencesync.people.imports import guessing
from audiencesync.people.imports.reading import BOMS, DELIMITERS, ENCODINGS, Layout, Reader, Source, opening

SAMPLE = 128 * 1024
LOOKED_AT = 50  # rows
_SPELT = {"utf_16_le": "utf-16-le", "utf_16_be": "utf-16-be", "iso8859_15": "iso-8859-15", "mac_roman": "mac-roman"}
_SINGLE_BYTE = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "mac_roman"]
_VALUE = re.compile(r"[^@\s]+@[^@\s]+|\+?[0-9][0-9 ().,:/-]*|true|false", re.IGNORECASE)


def layout(source: Source, *, is_utf8: bool) -> Layout:
    """What the beginning of the file looks like. ``is_utf8``: all of the file could be."""
    sample = source.read(0, SAMPLE)
    encoding = _encoding(sample, is_utf8=is_utf8)
    text = sample.decode(encoding, "replace").lstrip("\ufeff")
    delimiter = opening(source, encoding).delimiter or _delimiter(text, is_cut=len(sample) < source.size)
    return Layout(encoding, delimiter, has_header(source, Layout(encoding, delimiter)))


def _encoding(sample: bytes, *, is_utf8: bool) -> str:
    for name, mark in BOMS.items():
        if sample.startswith(mark):
            return name
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) > len(sample) // 8:
        return "utf-16-le" if odd > even else "utf-16-be"
    if is_utf8 or (not sample.isascii() and _is_utf8(sample)):
        return "utf-8"
    if _is_western(sample):
        return "cp1252"
    best = charset_normalizer.from_bytes(sample, cp_isolation=_SINGLE_BYTE).best()
    name = best.encoding if best else "cp1252"
    name = _SPELT.get(name, name)
    return name if name in ENCODINGS else "cp1252"


def _is_western(sample: bytes) -> bool:
    """Whether it reads as some umlauts and accents among plain letters: too few for statistics to see."""
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    strange = [character for character in text if character > "\x7f"]
    letters = sum(map(str.isalpha, text))
    return len(strange) < letters / 5 and all(one.isalpha() or one in "€–—„“”‚‘’…ß§°´ «»" for one in strange)


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(text: str, *, is_cut: bool) -> str:
    """The one that cuts most of the first rows into the same number of cells, and into many."""

    def fitness(name: str) -> tuple[float, int]:
        sizes = _sizes(text, DELIMITERS[name], is_cut=is_cut)
        if not sizes:
            return 0.0, 0
        size, n = Counter(sizes).most_common(1)[0]
        return (n / len(sizes) if size > 1 else 0.0), size

    found = max(DELIMITERS, key=fitness)
    return found if fitness(found)[1] > 1 else "comma"


def _sizes(text: str, delimiter: str, *, is_cut: bool) -> list[int]:
    """How many cells the first rows would have."""
    sizes = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if any(row):
                sizes.append(len(row))
            if len(sizes) > LOOKED_AT:
                break
    except csv.Error:
        return sizes
    return sizes[:-1] if is_cut and 1 < len(sizes) <= LOOKED_AT else sizes


def has_header(source: Source, chosen: Layout) -> bool:
    """Whether the first row looks like names of columns: one that we know, or nothing that looks like a value."""
    first = Reader(source, chosen, n_columns=0).take(1).rows
    if not first:
        return True
    cells = [cell.strip() for cell in first[0]]
    if any(guessing.known(cell) for cell in cells):
        return True
    return all(cells) and len(set(cells)) == len(cells) and not any(map(_VALUE.fullmatch, cells))
