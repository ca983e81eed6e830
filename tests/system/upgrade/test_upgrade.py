"""A database of an old version migrates to this one, and its work continues.

``before_the_moves.sql`` is a SQLite dump of the version before modules moved to other packages. It
has 35 people, a launched canvas of five steps and an erasure under way.
"""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import ConnectionHandler
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases import engine, laws
from canvases.models import Visit
from partners.models import Delivery
from tests.system.crash.conftest import databases

pytestmark = [pytest.mark.slow, pytest.mark.each_database]
__all__ = ["databases"]
DUMP = Path(__file__).with_name("before_the_moves.sql")
FILLED_BY_MIGRATE = {"auth", "contenttypes"}


@pytest.fixture
def old_file(tmp_path):
    """Return the SQLite file of the old version."""
    path = tmp_path / "old.sqlite3"
    file = sqlite3.connect(path)
    file.executescript(DUMP.read_text())
    file.close()
    return path


def old_models(file):
    """Migrate an empty PostgreSQL to the file's migrations; return the models of that state."""
    executor = MigrationExecutor(connection)
    seen = sqlite3.connect(file).execute("SELECT app, name FROM django_migrations").fetchall()
    executor.migrate(seen)
    models = executor.loader.project_state(seen).apps.get_models(include_auto_created=True)
    return [model for model in models if model._meta.app_label not in FILLED_BY_MIGRATE]


def copied_to_postgresql(file):
    """Copy the rows of the file into an empty PostgreSQL of the old version."""
    models = old_models(file)
    source = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}
    connections.settings["old"] = ConnectionHandler({"default": source}).settings["default"]
    with transaction.atomic():  # foreign keys are checked at its end
        for model in models:
            columns = [
                field.attname for field in model._meta.local_concrete_fields if not field.generated
            ]
            rows = model._base_manager.using("old").values_list(*columns)
            new = [model(**dict(zip(columns, row, strict=True))) for row in rows]
            model._base_manager.using("default").bulk_create(new)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)


def migrated(file):
    """Return the work of a child process: migrate the old database, check it, move its people."""

    def work(send):
        if connection.vendor == "postgresql":
            copied_to_postgresql(file)
        call_command("migrate", verbosity=0)
        call_command("check_counters")
        send({"rows": [Profile.objects.count(), Delivery.objects.count(), Visit.objects.count()]})
        while engine.move_all(now=timezone.now() + timedelta(days=2)):
            pass
        send(
            {"rows": [Visit.objects.exclude(left_at=None).count(), laws.broken(now=timezone.now())]}
        )

    return work


def test_a_database_of_the_version_before_migrates_and_its_counters_hold(
    databases, old_file, settings
):
    is_sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    name = str(old_file) if is_sqlite else databases.create()
    child = databases.child(name, migrated(old_file), max_seconds=300)
    try:
        assert (child.wait(300), child.reports("error")) == ("ended", [])
        # One of 35 people is being erased, five have entered just now.
        assert child.reports("rows") == [[34, 65, 35], [30, []]]
    finally:
        child.end()
