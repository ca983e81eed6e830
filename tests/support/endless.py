"""An SQL statement that runs until a time limit ends it."""

from django.db import connection

STATEMENT = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
}


def run(*_args, **_named):
    """Run the statement. Takes any arguments, so that it can replace any function."""
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT[connection.vendor])
