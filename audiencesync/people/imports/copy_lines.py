"""Write the values of a column in the text format of PostgreSQL's COPY."""

from __future__ import annotations

from collections.abc import Sequence

_SPECIAL = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_NULL = r"\N"
BOOLEANS = {None: _NULL, True: "t", False: "f"}


def texts(values: Sequence[str | None]) -> list[str]:
    """Return escaped texts; None is NULL."""
    joined = "".join(filter(None, values))
    if "\\" in joined or "\t" in joined or "\n" in joined or "\r" in joined:
        return [_NULL if value is None else value.translate(_SPECIAL) for value in values]
    return [_NULL if value is None else value for value in values]


def hashes(values: Sequence[bytes | None]) -> list[str]:
    """Return bytea in hex; None is NULL."""
    return [_NULL if value is None else rf"\\x{value.hex()}" for value in values]
