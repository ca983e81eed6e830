"""Moves all rows of our tables from a SQLite file into an empty PostgreSQL, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, connections, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Field, Model
from django.db.utils import ConnectionHandler

SOURCE = "move_from"  # alias of the database connection to the SQLite file
FILLED_BY_MIGRATE = {"contenttypes", "auth"}  # apps
TASK_QUEUE = {"django_q"}  # its tasks may be lost: the next beat finds the work
FETCH_ROWS = 5_000  # read at a time


class MoveError(Exception):
    """Nothing was moved; the text says why and what to do."""


def move(file: Path) -> dict[str, int]:
    """Copy everything and return the number of rows by table. Raises MoveError or a database error.

    Other processes cannot write to the source meanwhile.
    """
    if connection.vendor != "postgresql":
        raise MoveError("DATABASE_URL must name the PostgreSQL to move to.")
    if not file.is_file():
        raise MoveError(f"There is no file {file}.")
    with _source(file), transaction.atomic(using=SOURCE):
        _check_databases()
        with transaction.atomic():
            moved = {model._meta.db_table: _copy(model) for model in models()}
            _reset_sequences()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return moved


def models() -> list[type[Model]]:
    """Return the models whose rows are moved."""
    all_models = apps.get_models(include_auto_created=True)
    skipped = FILLED_BY_MIGRATE | TASK_QUEUE
    return [
        model
        for model in all_models
        if not model._meta.proxy and model._meta.app_label not in skipped
    ]


@contextmanager
def _source(file: Path) -> Iterator[None]:
    """Open the file as a second database connection; a transaction on it takes the write lock."""
    options = {"transaction_mode": "IMMEDIATE", "timeout": 5}
    values = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file), "OPTIONS": options}
    connections.settings[SOURCE] = ConnectionHandler({"default": values}).settings["default"]
    try:
        yield
    finally:
        connections[SOURCE].close()
        del connections[SOURCE], connections.settings[SOURCE]


def _check_databases() -> None:
    """Raise MoveError unless both databases have the same migrations and the target is empty."""
    target, source = (
        set(MigrationRecorder(connections[name]).applied_migrations())
        for name in ("default", SOURCE)
    )
    if target != source:
        labels = ", ".join(sorted({app for app, _name in target ^ source}))
        raise MoveError(
            f"The two are not of one version ({labels}). Run `manage.py migrate` on both."
        )
    filled_tables = [model._meta.db_table for model in models() if model._base_manager.exists()]
    if filled_tables:
        names = ", ".join(filled_tables)
        raise MoveError(f"The PostgreSQL is not empty: {names}. Move into a new one.")


def _copy(model: type[Model]) -> int:
    """Stream all rows of one table and return their number."""
    # PostgreSQL checks the foreign keys when the transaction ends, so the order of tables does not
    # matter.
    fields = [
        field for field in model._meta.local_concrete_fields if field.column and not field.generated
    ]
    rows = (
        model._base_manager.using(SOURCE)
        .order_by("pk")
        .values_list(*(field.attname for field in fields))
    )
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    n = 0
    with (
        connection.cursor() as cursor,
        cursor.copy(_copy_sql(quote(model._meta.db_table), columns)) as copy,
    ):
        for row in rows.iterator(FETCH_ROWS):
            copy.write_row(_db_values(fields, row))
            n += 1
    return n


def _copy_sql(table: str, columns: str) -> str:
    return f"COPY {table} ({columns}) FROM STDIN"


def _db_values(fields: list[Field[Any, Any]], row: tuple[Any, ...]) -> list[Any]:
    return [
        field.get_db_prep_save(value, connection) for field, value in zip(fields, row, strict=True)
    ]


def _reset_sequences() -> None:
    """Let each sequence continue above the highest id that was ever used."""
    # Ids of deleted rows count, too: an id is the entry key of a delivery, which stays unique.
    with connections[SOURCE].cursor() as cursor:
        cursor.execute("SELECT name, seq FROM sqlite_sequence")
        highest_ids = dict(cursor.fetchall())
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models()):
            cursor.execute(statement)
        for model in models():
            if last_id := highest_ids.get(table := model._meta.db_table):
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [f'"{table}"', last_id]
                )
