"""What the application sets for each connection to PostgreSQL."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def tune(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Switch off JIT compilation; receives the signal ``connection_created``.

    PostgreSQL compiles statements that the planner estimates as expensive, which takes some 200 ms
    of CPU each time. Ours read few rows by an index, even where the planner expects many.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")
