"""From one database to another: every row of our tables goes from a SQLite file into an empty PostgreSQL, all or nothing."""

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

SOURCE = "move_from"
MADE_BY_MIGRATE = {"contenttypes", "auth"}
ALARMS_ONLY = {"django_q"}
READ_AT_ONCE = 5_000


class Refused(Exception):
    """It was not done; the text says why, and what to do."""


def move(file: Path) -> dict[str, int]:
    """Copy everything; rows by table. Nobody else can write to the source meanwhile. Raises Refused, database errors."""
    if connection.vendor != "postgresql":
        raise Refused("DATABASE_URL must name the PostgreSQL to move to.")
    if not file.is_file():
        raise Refused(f"There is no file {file}.")
    with _source(file), transaction.atomic(using=SOURCE):
        _check()
        with transaction.atomic():
            moved = {model._meta.db_table: _copy(model) for model in models()}
            _reset_sequences()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return moved


def models() -> list[type[Model]]:
    """The tables that are moved: all that hold what would be missed."""
    found = apps.get_models(include_auto_created=True)
    left_out = MADE_BY_MIGRATE | ALARMS_ONLY
    return [
        model for model in found if not model._meta.proxy and model._meta.app_label not in left_out
    ]


@contextmanager
def _source(file: Path) -> Iterator[None]:
    """The file as a second database; a transaction on it is a write lock, so that nothing changes under our eyes."""
    options = {"transaction_mode": "IMMEDIATE", "timeout": 5}
    values = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file), "OPTIONS": options}
    connections.settings[SOURCE] = ConnectionHandler({"default": values}).settings["default"]
    try:
        yield
    finally:
        connections[SOURCE].close()
        del connections[SOURCE], connections.settings[SOURCE]


def _check() -> None:
    """Both are of this version, and the new one holds nothing yet."""
    ours, theirs = (
        set(MigrationRecorder(connections[name]).applied_migrations())
        for name in ("default", SOURCE)
    )
    if ours != theirs:
        apps_told = ", ".join(sorted({app for app, _name in ours ^ theirs}))
        raise Refused(
            f"The two are not of one version ({apps_told}). Run `manage.py migrate` on both."
        )
    full = [model._meta.db_table for model in models() if model._base_manager.exists()]
    if full:
        raise Refused(f"The PostgreSQL is not empty: {', '.join(full)}. Move into a new one.")


def _copy(model: type[Model]) -> int:
    """All rows of one table, streamed. Foreign keys are looked at when the transaction ends."""
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
        cursor.copy(_sql(quote(model._meta.db_table), columns)) as copy,
    ):
        for row in rows.iterator(READ_AT_ONCE):
            copy.write_row(_prepared(fields, row))
            n += 1
    return n


def _sql(table: str, columns: str) -> str:
    return f"COPY {table} ({columns}) FROM STDIN"


def _prepared(fields: list[Field[Any, Any]], row: tuple[Any, ...]) -> list[Any]:
    return [
        field.get_db_prep_save(value, connection) for field, value in zip(fields, row, strict=True)
    ]


def _reset_sequences() -> None:
    """The next row gets a number above all that there ever were: entry keys are such numbers, also of rows long deleted."""
    with connections[SOURCE].cursor() as cursor:
        cursor.execute("SELECT name, seq FROM sqlite_sequence")
        highest = dict(cursor.fetchall())
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models()):
            cursor.execute(statement)
        for model in models():
            if last := highest.get(table := model._meta.db_table):
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [f'"{table}"', last]
                )
