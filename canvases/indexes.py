"""An index for lists that differs between PostgreSQL and SQLite (docs/decisions/0012)."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement, Table
from django.db.models import F, Index, Model

_CREATE_BRIN = (
    "CREATE INDEX %(name)s ON %(table)s USING brin ((%(column)s + 0) int8_minmax_multi_ops)"
    " WITH (autosummarize = on)"
)


class InOrderOfIds(Index):
    """An index of rows by their parent, for pages that list them by id (people_lists/visits.py).

    PostgreSQL: a block range index (BRIN). A page reads the primary key in order and skips blocks
    without rows of the parent, or reads the few blocks that have some and sorts their rows. Such an
    index does not measurably slow the many inserts of a launch.
    SQLite: a b-tree, which returns rows with equal keys in the order of their ids.
    """

    def __init__(self, parent: str, *, name: str) -> None:
        """``parent``: the name of a foreign key."""
        self.parent = parent
        # + 0 makes it an expression: a query that compares the plain column, as all but lists do,
        # cannot use the index, and the planner cannot prefer it where it is slow.
        super().__init__(F(parent) + 0, name=name)

    def deconstruct(self) -> tuple[str, Any, dict[str, Any]]:
        """Return path and arguments, for migrations."""
        path, _expressions, _options = super().deconstruct()
        return path, (self.parent,), {"name": self.name}

    def create_sql(
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **_: Any
    ) -> Statement:
        """Return the statement that creates it."""
        if schema_editor.connection.vendor != "postgresql":
            return super().create_sql(model, schema_editor, using=using)
        quote = schema_editor.quote_name
        return Statement(
            _CREATE_BRIN,
            name=quote(self.name),
            table=Table(model._meta.db_table, quote),
            column=quote(f"{self.parent}_id"),
        )
