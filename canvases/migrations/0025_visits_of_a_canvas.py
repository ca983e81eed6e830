"""Index the visits of a canvas for lists alone (canvases/people_lists/visits.py).

PostgreSQL: a block range index, to which a launch adds nothing that can be measured. SQLite: an
index of the expression, which has its rows in the order of their ids.
"""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

NAME = "visit_of_canvas"
SQL = {
    "postgresql": f"CREATE INDEX {NAME} ON canvases_visit "
    "USING brin ((canvas_id + 0) int8_minmax_multi_ops) WITH (autosummarize = on)",
    "sqlite": f"CREATE INDEX {NAME} ON canvases_visit ((canvas_id + 0))",
}


def add(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute(SQL[schema_editor.connection.vendor])


def remove(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute(f"DROP INDEX {NAME}")


class Migration(migrations.Migration):
    """Add the index."""

    dependencies = [("canvases", "0024_due_at_a_step")]

    operations = [migrations.RunPython(add, remove)]
