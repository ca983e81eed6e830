"""Counts people one by one, in plain Python over the rows: who has anything to be added or removed by.

On purpose it shares nothing with the set-wise SQL of the queue, whose numbers it judges.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import environ
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

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


def count(database_url: str, group: str) -> tuple[int, int]:
    """How many people of a group can be added by e-mail, phone or device id, and how many can be removed."""
    can_add = can_remove = 0
    with connected(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(PEOPLE, [group])
        while rows := cursor.fetchmany(10_000):
            can_add += sum(_can_add(*row) for row in rows)
            can_remove += sum(any(row[2:]) for row in rows)
    return can_add, can_remove


def _can_add(consent: Any, tracking: Any, email: Any, phone: Any, idfa: Any, gaid: Any) -> bool:
    """Without consent nobody is added; device ids count unless tracking was switched off."""
    refused, untracked = consent in (False, 0), tracking in (False, 0)
    return not refused and bool(email or phone or (not untracked and (idfa or gaid)))
