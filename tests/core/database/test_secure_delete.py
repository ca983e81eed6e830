"""Deleted data is in no byte of SQLite's files, neither in freed pages nor in the WAL."""

from pathlib import Path

import pytest
from django.db import connection

from audiencesync.core.database import sqlite
from audiencesync.people.models import Profile


def database_bytes():
    """Return the bytes of the database file and its side files."""
    name = str(connection.settings_dict["NAME"])
    return b"".join(path.read_bytes() for path in Path(name).parent.glob(f"{Path(name).name}*"))


@pytest.mark.django_db(transaction=True)
def test_a_deleted_person_is_in_no_file(acme):
    if connection.vendor != "sqlite":
        sqlite.empty_wal()  # does nothing there, without an error
        return
    emails = [f"canary-{number}-of-the-deleted@example.org" for number in range(200)]
    Profile.objects.bulk_create(
        Profile(app_group=acme, external_id=email, email=email, attributes={"note": email * 20})
        for email in emails
    )
    sqlite.empty_wal()
    assert b"canary-199-of-the-deleted" in database_bytes()
    Profile.objects.all().delete()
    sqlite.empty_wal()
    assert b"of-the-deleted" not in database_bytes()
