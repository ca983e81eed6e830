"""What the application sets for each connection to PostgreSQL."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def tune(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Switch off PostgreSQL's compiler of queries; receives ``connection_created``.

    It compiles what the planner takes for expensive, for some 200 ms of CPU each time. Our
    statements read by an index and few rows, also where the planner expects many.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")
