"""Count the people of a group who can be sent, one by one in plain Python.

It checks the queue's SQL, which handles all people in one statement, so it shares no code with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import environ
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

SCHEMAS = ("EMAIL_SHA256", "PHONE_SHA256", "IDFA_SHA256", "AAID_SHA256")
PEOPLE_SQL = """
SELECT p.ads_consent, p.ad_tracking_enabled,
       p.email_sha256, p.phone_sha256, p.idfa_sha256, p.gaid_sha256
FROM people_profile p JOIN groups_appgroup g ON g.id = p.app_group_id WHERE g.name = %s
"""
ROWS_PER_FETCH = 10_000


@contextmanager
def connected(database_url: str) -> Iterator[BaseDatabaseWrapper]:
    """Open a connection to a database that the Django settings do not name."""
    connection = ConnectionHandler({"default": environ.Env.db_url_config(database_url)})["default"]
    try:
        yield connection
    finally:
        connection.close()


def is_empty(database_url: str) -> bool:
    """Return whether a database has no tables."""
    with connected(database_url) as connection:
        return not connection.introspection.table_names()


@dataclass
class Census:
    """How many people of a group can be added and removed by any identifier."""

    can_add: int = 0
    can_remove: int = 0
    # Identifiers that several people have in common: the partner may count those people as one.
    n_shared: int = 0
    # (schema, hash in hex) of all people who can be added
    identifiers: set[tuple[str, str]] = field(default_factory=set)


def count(database_url: str, group: str) -> Census:
    """Count the people of the group with this name."""
    census = Census()
    with connected(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(PEOPLE_SQL, [group])
        while rows := cursor.fetchmany(ROWS_PER_FETCH):
            for row in rows:
                identifiers = _sendable(*row)
                census.can_add += bool(identifiers)
                census.can_remove += any(row[2:])  # the hashes: a removal needs no consent
                census.n_shared += len(identifiers & census.identifiers)
                census.identifiers |= identifiers
    return census


def _sendable(consent: Any, tracking: Any, *hashes: Any) -> set[tuple[str, str]]:
    """Return the identifiers sent to add one person.

    No identifiers are sent if consent is refused (NULL: the person was not asked, which is no
    refusal), and no device ids if tracking is switched off.
    """
    if consent is not None and not consent:
        return set()
    n_kinds = len(SCHEMAS) if tracking is None or tracking else len(SCHEMAS) - 2
    pairs = zip(SCHEMAS[:n_kinds], hashes, strict=False)  # the last two are device ids
    return {(schema, bytes(digest).hex()) for schema, digest in pairs if digest}
