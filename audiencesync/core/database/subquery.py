"""Put a query of the ORM into a statement written by hand."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet


def sql_of(rows: QuerySet[Model, Any]) -> tuple[str, tuple[Any, ...]]:
    """Return the SQL of a query, and its parameters.

    A query that Django knows to be empty becomes SQL that selects nothing, instead of raising
    EmptyResultSet.
    """
    compiler = rows.query.get_compiler(rows.db, elide_empty=False)
    sql, params = compiler.as_sql()
    return sql, tuple(params)
