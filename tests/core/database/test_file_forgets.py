"""What was deleted stands in no byte of SQLite's files, neither in freed pages nor in the log beside the file."""

from pathlib import Path

import pytest
from django.db import connection

from audiencesync.core.database import sqlite
from audiencesync.people.models import Profile


def files():
    """The bytes of the database and of what lies beside it."""
    name = str(connection.settings_dict["NAME"])
    return b"".join(path.read_bytes() for path in Path(name).parent.glob(f"{Path(name).name}*"))


@pytest.mark.django_db(transaction=True)
def test_a_deleted_person_is_in_no_file(acme):
    if connection.vendor != "sqlite":
        sqlite.empty_wal()  # nothing to do there, and no error
        return
    planted = [f"canary-{number}-of-the-deleted@example.org" for number in range(200)]
    Profile.objects.bulk_create(
        Profile(app_group=acme, external_id=mail, email=mail, attributes={"note": mail * 20})
        for mail in planted
    )
    sqlite.empty_wal()
    assert b"canary-199-of-the-deleted" in files()
    Profile.objects.all().delete()
    sqlite.empty_wal()
    assert b"of-the-deleted" not in files()
