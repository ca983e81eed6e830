"""An index that differs between PostgreSQL and SQLite (docs/decisions/0012)."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement, Table
from django.db.models import F, Index, Model

_BLOCK_RANGES = (
    "CREATE INDEX %(name)s ON %(table)s USING brin ((%(column)s + 0) int8_minmax_multi_ops)"
    " WITH (autosummarize = on)"
)


class InOrderOfIds(Index):
    """The rows of one parent in the order of their ids, for lists (people_lists/visits.py).

    PostgreSQL: a block range index (BRIN), which costs a launch nothing that can be measured.
    SQLite: a b-tree, whose equal keys are in the order of their ids.
    """

    def __init__(self, parent: str, *, name: str) -> None:
        """``parent``: the name of a foreign key."""
        self.parent = parent
        # + 0: only queries that ask for this expression use the index, those of lists.
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
            _BLOCK_RANGES,
            name=quote(self.name),
            table=Table(model._meta.db_table, quote),
            column=quote(f"{self.parent}_id"),
        )
