"""Measure the bare machine and database, so that our rates can be given as ratios."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import requests
from django.conf import settings
from django.db import connection, transaction

HASHES = 500_000
ROWS = 300_000
POSTS = 300
_SCRATCH = """
INSERT INTO bench_scratch (id, word)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)
SELECT i, 'person-' || i FROM n
"""


def measure(*, limit: int) -> dict[str, Any]:
    """Return per second: SHA-256 of one core, INSERT..SELECT rows, POSTs over loopback.

    ``limit``: the most hashes and rows; a trial sets it low.
    """
    return {
        "sha256_per_second": hash_rate(min(HASHES, limit)),
        "insert_rows_per_second": insert_rate(min(ROWS, limit)),
        "posts_per_second": post_rate(),
    }


def hash_rate(n: int) -> int:
    """Hash ``n`` e-mail addresses; return how many per CPU second."""
    started = time.process_time()
    for number in range(n):
        hashlib.sha256(b"person.%d@example.com" % number).digest()
    return round(n / (time.process_time() - started))


def insert_rate(n: int) -> int:
    """Copy narrow rows into a table with two indexes, in one transaction; return rows a second."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE bench_scratch (id bigint PRIMARY KEY, word varchar(40) UNIQUE)"
        )
        cursor.execute("CREATE TABLE bench_copy (id bigint PRIMARY KEY, word varchar(40) UNIQUE)")
        try:
            cursor.execute(_SCRATCH, [n])
            started = time.perf_counter()
            with transaction.atomic():
                cursor.execute("INSERT INTO bench_copy SELECT id, word FROM bench_scratch")
            return round(n / (time.perf_counter() - started))
        finally:
            cursor.execute("DROP TABLE bench_copy")
            cursor.execute("DROP TABLE bench_scratch")


def post_rate() -> int:
    """Post small requests to the sandbox, one after the other on one connection.

    Return how many a second.
    """
    session = requests.Session()
    session.trust_env = False
    url = f"{settings.TIKTOK_API_URL}/sandbox/elsewhere/"  # its answer takes the sandbox no work
    started = time.perf_counter()
    for _ in range(POSTS):
        session.post(url, data=b"x" * 1000, timeout=10)
    return round(POSTS / (time.perf_counter() - started))
