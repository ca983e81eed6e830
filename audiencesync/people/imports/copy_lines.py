"""Write values in the text format of PostgreSQL's COPY, and compare them with known profiles."""

from __future__ import annotations

from collections.abc import Sequence

from audiencesync.people.identifiers import normalise
from audiencesync.people.writing.columns import ALTERNATIVES

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


def is_new(kind: str) -> str:
    """SQL: ``t`` has a value, other than the hash of a plain value in ``known``."""
    is_hash = (
        f"length(t.{kind}) = 64 AND known.{kind} <> ''"
        f" AND lower(t.{kind}) = encode(known.{kind}_sha256, 'hex')"
    )
    return f"t.{kind} IS NOT NULL AND ({is_hash}) IS NOT TRUE"


def is_rehashed(kind: str) -> str:
    """SQL: a hash of ``t`` differs from the known one; a missing alternative hash does not."""
    main = f"t.{kind}_sha256 IS DISTINCT FROM known.{kind}_sha256"
    name = ALTERNATIVES.get(kind)
    is_news = f"t.{name} IS NOT NULL AND t.{name} IS DISTINCT FROM known.{name}"
    return f"{main} OR {is_news}" if name else main


def needs_upsert(kinds: Sequence[str]) -> str:
    """SQL: ``known`` was hashed by an old rule, or would lose a usable identifier."""
    worse = (
        f"t.{kind} IS NOT NULL AND t.{kind}_sha256 IS NULL AND known.{kind}_sha256 IS NOT NULL"
        for kind in kinds
    )
    return " OR ".join([*worse, f"known.rule_version < {normalise.RULE_VERSION}"])
