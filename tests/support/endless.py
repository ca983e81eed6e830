"""A statement that only a time limit ends."""

from django.db import connection

STATEMENT = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
}


def run(*_args, **_named):
    """Run it in place of a function, whatever its arguments."""
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT[connection.vendor])
