"""Whole numbers in requests: ids, places and amounts that our own pages and links sent."""

from __future__ import annotations

MAX_ID = 2**63 - 1  # the highest id of a BigAutoField


def whole(text: object, *, most: int = MAX_ID) -> int | None:
    """Return the number that is written as ASCII digits, from 0 to ``most``; else None."""
    # int() refuses thousands of digits, and "²" is a digit for isdigit() alone.
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 20):
        return None
    number = int(text)
    return number if number <= most else None
