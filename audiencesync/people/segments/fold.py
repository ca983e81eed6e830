"""Fold case, width, ligatures and accents of texts, alike in Python and in both databases."""

from __future__ import annotations

import unicodedata
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Func, TextField
from django.db.models.sql.compiler import SQLCompiler

Sql = tuple[str, tuple[Any, ...]]
FUNCTION = "audiencesync_fold"
# Applied after lower case: the final sigma, the sharp s, the dot that the Turkish capital I leaves
# behind, and the dotless i.
EQUAL_LETTERS = (("ς", "σ"), ("ß", "ss"), ("i\u0307", "i"), ("ı", "i"))


def fold(text: str) -> str:
    """Return the text as it is compared: NFKC, in lower case, and with EQUAL_LETTERS replaced."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).lower()
    for letter, replacement in EQUAL_LETTERS:
        folded = folded.replace(letter, replacement)
    return unicodedata.normalize("NFKC", folded)


class Fold(Func):
    """`fold` in SQL. Shape: a text or NULL."""

    arity = 1
    output_field = TextField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Sql:
        """Use our own function, registered on the connection."""
        connection.ensure_connection()
        connection.connection.create_function(FUNCTION, 1, _fold_or_null, deterministic=True)
        text, params = compiler.compile(self.source_expressions[0])
        return f"{FUNCTION}({text})", tuple(params)

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> Sql:
        """Use ICU's root locale, whatever the locale of the database.

        That is slow, so a text of ASCII characters only, as most are, is only lower-cased.
        """
        text, params = compiler.compile(self.source_expressions[0])
        sql = f'LOWER(NORMALIZE({text}, NFKC) COLLATE "und-x-icu")'
        for letter, replacement in EQUAL_LETTERS:
            sql = f"REPLACE({sql}, '{letter}', '{replacement}')"
        is_ascii, lowered = f"OCTET_LENGTH({text}) = LENGTH({text})", f'LOWER({text} COLLATE "C")'
        # Both branches have the same collation, or PostgreSQL refuses the expression.
        folded = f'NORMALIZE({sql}, NFKC) COLLATE "C"'
        sql = f"(CASE WHEN {is_ascii} THEN {lowered} ELSE {folded} END)"
        return sql, tuple(params) * 4  # as often as ``text`` stands in it


def _fold_or_null(text: object) -> str | None:
    return fold(text) if isinstance(text, str) else None
