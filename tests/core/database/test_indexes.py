"""Django knows every index of our tables: on SQLite it makes them again when it rebuilds a table.

An index that a migration makes by SQL alone would be lost then, without an error.
"""

import pytest
from django.apps import apps
from django.db import connection

from canvases.models import Visit

pytestmark = pytest.mark.django_db
OURS = ("audiencesync", "partners", "canvases")
TABLES = [
    model
    for model in apps.get_models(include_auto_created=True)
    if model.__module__.startswith(OURS) and model._meta.managed
]


def in_database(model):
    """Return name -> columns of the indexes and unique constraints of a table."""
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return {
        name: tuple(one["columns"])
        for name, one in constraints.items()
        if one["index"] or one["unique"]
    }


def of_fields(model):
    """Return the columns of the indexes that Django makes for fields, without a name of ours."""
    meta = model._meta
    columns = {(field.column,) for field in meta.local_fields if field.unique or field.db_index}
    columns |= {tuple(meta.get_field(one).column for one in some) for some in meta.unique_together}
    return columns | {tuple(field.column for field in meta.pk_fields)}


def test_every_index_is_declared():
    assert TABLES
    undeclared = []
    for model in TABLES:
        declared = {one.name for one in (*model._meta.indexes, *model._meta.constraints)}
        undeclared += [
            name
            for name, columns in in_database(model).items()
            if name not in declared and columns not in of_fields(model)
        ]
    assert undeclared == []


def test_every_declared_index_is_there():
    for model in TABLES:
        assert {index.name for index in model._meta.indexes} <= set(in_database(model))


@pytest.mark.django_db(transaction=True)
def test_a_rebuilt_table_has_the_index_of_visits_again():
    with connection.schema_editor() as editor:
        if connection.vendor == "sqlite":  # the only one that rebuilds tables
            editor._remake_table(Visit)
    assert {index.name for index in Visit._meta.indexes} <= set(in_database(Visit))
