"""Read what a journey leaves behind as text: tables, backup, mails, Redis, PostgreSQL's log."""

import base64
import re
import sqlite3
import subprocess
from contextlib import closing
from email import message_from_bytes, policy
from pathlib import Path

import psycopg
import redis


def cells(url):
    """Return (table, column) -> all values as one text; bytes as hex and as text."""
    reading = _of_postgresql if url.startswith("postgres") else _of_sqlite
    return {
        (table, column): "\n".join(_text(row[place]) for row in rows)
        for table, columns, rows in reading(url)
        for place, column in enumerate(columns)
    }


def _of_sqlite(url):
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
        for (table,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall():
            found = database.execute(f'SELECT * FROM "{table}"')
            yield table, [column[0] for column in found.description], found.fetchall()


def _of_postgresql(url):
    with psycopg.connect(url) as database:
        names = database.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        for (table,) in names:
            found = database.execute(f'SELECT * FROM "{table}"')
            yield table, [column.name for column in found.description], found.fetchall()


def _text(value):
    if isinstance(value, bytes | memoryview):
        return f"{bytes(value).hex()} {bytes(value).decode('latin-1')}"
    return str(value)


def backup(file):
    """Return the content of a backup as text."""
    if file.read_bytes().startswith(b"PGDMP"):
        return subprocess.run(
            ["pg_restore", "--file=-", file], check=True, capture_output=True, text=True
        ).stdout
    return file.read_bytes().decode("latin-1")


def mails(folder):
    """Yield each sent mail: headers and body, decoded."""
    for file in sorted(folder.glob("*.log")):
        for part in file.read_bytes().split(b"-" * 79):
            if part.strip():
                mail = message_from_bytes(part.lstrip(), policy=policy.default)
                yield "\n".join(
                    [
                        f"{mail['Subject']} {mail['To']} {mail['From']}",
                        mail.get_body().get_content(),
                    ]
                )


def beside_the_tables(url):
    """Return as text the bytes of SQLite's files, or PostgreSQL's log.

    scripts/postgres.py puts the log beside the data directory.
    """
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*")).decode(
            "latin-1"
        )
    with psycopg.connect(url) as database:
        [data] = database.execute("SHOW data_directory").fetchone()
    return (Path(data).parent / "log").read_text(errors="replace")


def unpacked(text):
    """Return the base64 parts of a text, decoded; django-q2 encodes its tasks like this."""
    packed = re.findall(r"[A-Za-z0-9_-]{40,}", text)
    return "\n".join(
        base64.urlsafe_b64decode(part[: len(part) // 4 * 4]).decode("latin-1") for part in packed
    )


def kept_in_redis(url):
    """Return all keys and values of a Redis as text."""
    with redis.Redis.from_url(url) as store:
        reading = {
            b"string": store.get,
            b"list": lambda key: store.lrange(key, 0, -1),
            b"hash": store.hgetall,
            b"set": store.smembers,
            b"zset": lambda key: store.zrange(key, 0, -1),
        }
        return "\n".join(f"{key!r} {reading[store.type(key)](key)!r}" for key in store.scan_iter())
