"""F29: tables are migrated under load; the old code survives every migration."""

import re
import time
from threading import Event, Thread

import pytest
import requests
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader

from tests.support.stack import ROOT
from tests.system.faults.live import crowd

# App -> its last migration in the first release, such as "0009"; no older code is in use.
FIRST_RELEASE: dict[str, str] = {}
OURS = ("groups", "people", "partners", "canvases")
EXPANDS = (
    migrations.CreateModel,
    migrations.AddIndex,
    migrations.RemoveIndex,
    migrations.RenameIndex,
    migrations.RemoveConstraint,
    migrations.AlterModelOptions,
)
CONTRACT = "_contract_"
WHAT_TO_DO = (
    "old code cannot write to these tables: "
    "let a new field be null or have a db_default; remove in a _contract_"
)
N = 10_000


def harms(operation, before, app):
    """Whether the code of the previous release fails on the tables after ``operation``."""
    if isinstance(operation, EXPANDS):
        return False
    if isinstance(operation, migrations.AddField):
        field = operation.field
        return not (field.null or field.many_to_many or field.has_db_default())
    if isinstance(operation, migrations.AlterField):
        old = before().models[app, operation.model_name_lower].fields[operation.name]
        return tightens(old, operation.field)
    if isinstance(operation, migrations.RunPython | migrations.RunSQL):
        return not operation.reversible
    return True


def tightens(old, new):
    """Whether the new field refuses values that the old one accepted."""
    shorter = (getattr(new, "max_length", None) or 10**9) < (
        getattr(old, "max_length", None) or 10**9
    )
    is_other = old.get_internal_type() != new.get_internal_type()
    return is_other or shorter or (old.null and not new.null) or (new.unique and not old.unique)


def test_every_migration_lets_the_old_code_run():
    """A ``_contract_`` migration may remove a column one release after its last use."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    found = [
        f"{app}.{name}: {type(operation).__name__} {getattr(operation, 'name', '')}"
        for (app, name), migration in sorted(loader.disk_migrations.items())
        if app in FIRST_RELEASE and name[:4] > FIRST_RELEASE[app] and CONTRACT not in name
        for operation in migration.operations
        if harms(operation, lambda at=(app, name): loader.project_state(at, at_end=False), app)
    ]
    assert found == [], WHAT_TO_DO


def test_the_rule_begins_with_the_first_release():
    """The first release must fill FIRST_RELEASE with its last migrations."""
    is_released = re.search(r"^## \[\d", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert set(FIRST_RELEASE) == (set(OURS) if is_released else set())


@pytest.mark.parametrize(
    ("operation", "is_harmful"),
    [
        (migrations.AddField("batch", "x", models.IntegerField(default=0)), True),
        (migrations.AddField("batch", "x", models.IntegerField(null=True)), False),
        (migrations.AddField("batch", "x", models.IntegerField(db_default=0)), False),
        (migrations.AlterField("batch", "last_code", models.CharField(max_length=3)), True),
        (migrations.AlterField("batch", "last_code", models.CharField(max_length=99)), False),
        (migrations.AlterField("batch", "due_at", models.DateTimeField(unique=True)), True),
        (migrations.RemoveField("batch", "n"), True),
        (migrations.RenameField("batch", "n", "m"), True),
        (migrations.DeleteModel("batch"), True),
        (migrations.RunPython(lambda *_: None), True),
    ],
)
def test_the_rule_detects_harmful_operations(operation, is_harmful):
    loader = MigrationLoader(None, ignore_no_migrations=True)
    assert harms(operation, loader.project_state, "partners") == is_harmful


class Visitor(Thread):
    """A thread that keeps requesting a page."""

    def __init__(self, one):
        super().__init__()
        self.one, self.ended, self.codes = one, Event(), []

    def run(self):
        browser = requests.Session()
        browser.cookies["sessionid"] = self.one.facts["session"]
        while not self.ended.wait(0.1):
            self.codes.append(
                browser.get(f"{self.one.url}/g/acme/canvases/", timeout=60).status_code
            )


@pytest.mark.each_database
@pytest.mark.slow
def test_the_old_code_works_during_and_after_a_migration(site):
    one = site(N)
    one.start("web", "engine")
    one.do(crowd.launch)
    one.rest()
    one.do(crowd.add_people, N, N)
    one.server.sandbox.faults.set("code", endpoint="segment/mapping", code=50000)
    visitor = Visitor(one)
    visitor.start()
    try:
        one.do(crowd.launch)
        one.wait(lambda: one.do(crowd.counts).get("pending"), "no people are pending")
        one.manage(
            "migrate",
            "partners",
            "next_expands",
            "--settings",
            "tests.system.faults.live.next_settings",
        )
        assert one.do(crowd.counts)["pending"] > 0
        one.server.sandbox.faults.clear()
        assert one.rest() == {"entered": 2 * N, "synced": 2 * N}
        time.sleep(0.5)
    finally:
        visitor.ended.set()
        visitor.join()
    assert set(visitor.codes) == {200}
    one.do(crowd.add_people, 2 * N, 1000)
    one.do(crowd.launch)
    assert one.rest() == {"entered": 2 * N + 1000, "synced": 2 * N + 1000}
    one.check_at_rest()
