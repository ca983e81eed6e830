"""Whole numbers in requests: ids, places and amounts that our own pages and links sent."""

from __future__ import annotations

BIGGEST = 2**63 - 1  # of an id


def whole(text: object, *, most: int = BIGGEST) -> int | None:
    """Return the number that is written as ASCII digits, from 0 to ``most``; else None."""
    # int() refuses thousands of digits, and "²" is a digit for isdigit() alone.
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 20):
        return None
    number = int(text)
    return number if number <= most else None
