"""Write values in the text format of PostgreSQL's COPY, and compare them with known profiles.

In the SQL, ``t`` is a row of the import and ``known`` the profile that was found for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from audiencesync.people.identifiers import normalise
from audiencesync.people.models import KINDS
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
    # COPY reads two backslashes as one.
    return [_NULL if value is None else rf"\\x{value.hex()}" for value in values]


def has_new_value_sql(kind: str) -> str:
    """Return SQL: ``t`` has a value other than the hash of the plain value in ``known``."""
    is_known_hash = (
        f"length(t.{kind}) = 64 AND known.{kind} <> ''"
        f" AND lower(t.{kind}) = encode(known.{kind}_sha256, 'hex')"
    )
    return f"t.{kind} IS NOT NULL AND ({is_known_hash}) IS NOT TRUE"


def has_new_hash_sql(kind: str) -> str:
    """Return SQL: a hash of ``t`` differs from the known one; a missing alternative is ignored."""
    differs = f"t.{kind}_sha256 IS DISTINCT FROM known.{kind}_sha256"
    alternative = ALTERNATIVES.get(kind)
    alternative_differs = (
        f"t.{alternative} IS NOT NULL AND t.{alternative} IS DISTINCT FROM known.{alternative}"
    )
    return f"{differs} OR {alternative_differs}" if alternative else differs


def differences_sql(kinds: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return SQL conditions, one per kind of identifier and per column: ``t`` has a new value."""
    return [
        *(
            f"({has_new_value_sql(kind)}"
            f" AND (t.{kind} <> known.{kind} OR {has_new_hash_sql(kind)}"
            # A hash-only group stores no texts to tell an unusable value from a missing one.
            f" OR (t.invalid # known.invalid_kinds) & {1 << KINDS.index(kind)} <> 0))"
            for kind in kinds
        ),
        *(f"(t.{name} IS NOT NULL AND t.{name} IS DISTINCT FROM known.{name})" for name in columns),
    ]


def hash_assignments_sql(kind: str) -> list[str]:
    """Return SQL that sets the hashes of profile ``p`` to those of ``t``, if ``t`` has a value."""
    main = f"{kind}_sha256"
    assignments = [f"{main} = CASE WHEN t.{kind} IS NULL THEN p.{main} ELSE t.{main} END"]
    if alternative := ALTERNATIVES.get(kind):
        # A value that arrived hashed has no alternative hash. If its main hash equals the stored
        # one, the stored alternative stays.
        stays = f"t.{kind} IS NULL OR t.{alternative} IS NULL AND t.{main} = p.{main}"
        assignments.append(
            f"{alternative} = CASE WHEN {stays} THEN p.{alternative} ELSE t.{alternative} END"
        )
    return assignments


def needs_upsert_sql(kinds: Sequence[str]) -> str:
    """Return SQL: ``known`` was hashed by an old rule, or would lose a usable identifier."""
    losses = (
        f"t.{kind} IS NOT NULL AND t.{kind}_sha256 IS NULL AND known.{kind}_sha256 IS NOT NULL"
        for kind in kinds
    )
    return " OR ".join([*losses, f"known.rule_version < {normalise.RULE_VERSION}"])
