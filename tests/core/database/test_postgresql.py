"""What the application sets for a connection to PostgreSQL."""

import pytest
from django.db import connection


@pytest.mark.django_db
def test_queries_are_not_compiled():
    if connection.vendor != "postgresql":
        assert connection.vendor == "sqlite"  # SQLite has no JIT compiler
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW jit")
        assert cursor.fetchone() == ("off",)
