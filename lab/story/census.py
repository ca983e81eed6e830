"""Counts people one by one, in plain Python over the rows: who has anything to be added or removed by.

On purpose it shares nothing with the set-wise SQL of the queue, whose numbers it judges.
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
PEOPLE = """
SELECT p.ads_consent, p.ad_tracking_enabled, p.email_sha256, p.phone_sha256, p.idfa_sha256, p.gaid_sha256
FROM people_profile p JOIN groups_appgroup g ON g.id = p.app_group_id WHERE g.name = %s
"""


@contextmanager
def connected(database_url: str) -> Iterator[BaseDatabaseWrapper]:
    """A connection to the rehearsal's own database, beside that of these settings."""
    connection = ConnectionHandler({"default": environ.Env.db_url_config(database_url)})["default"]
    try:
        yield connection
    finally:
        connection.close()


def is_empty(database_url: str) -> bool:
    """Whether a database holds no table yet."""
    with connected(database_url) as connection:
        return not connection.introspection.table_names()


@dataclass
class Census:
    """How many people of a group can be added by e-mail, phone or device id, how many removed, and what is sent of them."""

    can_add: int = 0
    can_remove: int = 0
    n_shared: int = (
        0  # identifiers that several people have in common: the partner may take those for one
    )
    sent: set[tuple[str, str]] = field(
        default_factory=set
    )  # (schema, hash in hex) of who can be added


def count(database_url: str, group: str) -> Census:
    """Look at each person of a group."""
    found = Census()
    with connected(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(PEOPLE, [group])
        while rows := cursor.fetchmany(10_000):
            for row in rows:
                sent = _sent(*row)
                found.can_add += bool(sent)
                found.can_remove += any(row[2:])
                found.n_shared += len(sent & found.sent)
                found.sent |= sent
    return found


def _sent(consent: Any, tracking: Any, *hashes: Any) -> set[tuple[str, str]]:
    """What is sent of one person: nothing without consent, device ids unless tracking was switched off."""
    if consent is not None and not consent:
        return set()
    n_kinds = len(SCHEMAS) if tracking is None or tracking else len(SCHEMAS) - 2
    return {
        (schema, bytes(one).hex())
        for schema, one in zip(SCHEMAS[:n_kinds], hashes, strict=False)
        if one
    }
