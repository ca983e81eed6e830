"""F29: tables are migrated under load; the old code works after every migration."""

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
OUR_APPS = ("groups", "people", "partners", "canvases")
ADDITIONS = (
    migrations.CreateModel,
    migrations.AddIndex,
    migrations.RemoveIndex,
    migrations.RenameIndex,
    migrations.RemoveConstraint,
    migrations.AlterModelOptions,
)
CONTRACT = "_contract_"  # in the name of a migration that may remove what old code does not use
WHAT_TO_DO = (
    "old code cannot write to these tables: "
    "let a new field be null or have a db_default; remove in a _contract_"
)
N_PEOPLE = 10_000


def harms(operation, state_before, app):
    """Return whether the code of the previous release fails on the tables after ``operation``.

    ``state_before()`` returns the state of the models before it.
    """
    if isinstance(operation, ADDITIONS):
        return False
    if isinstance(operation, migrations.AddField):
        field = operation.field
        return not (field.null or field.many_to_many or field.has_db_default())
    if isinstance(operation, migrations.AlterField):
        old = state_before().models[app, operation.model_name_lower].fields[operation.name]
        return tightens(old, operation.field)
    if isinstance(operation, migrations.RunPython | migrations.RunSQL):
        return not operation.reversible
    return True


def tightens(old, new):
    """Return whether the new field refuses values that the old one accepted."""
    shorter = (getattr(new, "max_length", None) or 10**9) < (
        getattr(old, "max_length", None) or 10**9
    )
    is_other = old.get_internal_type() != new.get_internal_type()
    return is_other or shorter or (old.null and not new.null) or (new.unique and not old.unique)


def test_every_migration_lets_the_old_code_run():
    """A ``_contract_`` migration may remove a column one release after its last use."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    harmful = [
        f"{app}.{name}: {type(operation).__name__} {getattr(operation, 'name', '')}"
        for (app, name), migration in sorted(loader.disk_migrations.items())
        if app in FIRST_RELEASE and name[:4] > FIRST_RELEASE[app] and CONTRACT not in name
        for operation in migration.operations
        if harms(operation, lambda at=(app, name): loader.project_state(at, at_end=False), app)
    ]
    assert harmful == [], WHAT_TO_DO


def test_the_rule_begins_with_the_first_release():
    """The first release must fill FIRST_RELEASE with its last migrations."""
    is_released = re.search(r"^## \[\d", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert set(FIRST_RELEASE) == (set(OUR_APPS) if is_released else set())


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

    def __init__(self, site):
        super().__init__()
        self.site, self.ended, self.codes = site, Event(), []

    def run(self):
        browser = requests.Session()
        browser.cookies["sessionid"] = self.site.facts["session"]
        while not self.ended.wait(0.1):
            self.codes.append(
                browser.get(f"{self.site.url}/g/acme/canvases/", timeout=60).status_code
            )


@pytest.mark.each_database
@pytest.mark.slow
def test_the_old_code_works_during_and_after_a_migration(make_site):
    site = make_site(N_PEOPLE)
    site.start("web", "engine")
    site.do(crowd.launch)
    site.await_rest()
    site.do(crowd.add_people, N_PEOPLE, N_PEOPLE)
    site.server.sandbox.faults.set("code", endpoint="segment/mapping", code=50000)
    visitor = Visitor(site)
    visitor.start()
    try:
        site.do(crowd.launch)
        site.wait(lambda: site.do(crowd.counts).get("pending"), "no people are pending")
        site.manage(
            "migrate",
            "partners",
            "next_expands",
            "--settings",
            "tests.system.faults.live.next_settings",
        )
        assert site.do(crowd.counts)["pending"] > 0
        site.server.sandbox.faults.clear()
        assert site.await_rest() == {"entered": 2 * N_PEOPLE, "synced": 2 * N_PEOPLE}
        time.sleep(0.5)  # the visitor opens some more pages
    finally:
        visitor.ended.set()
        visitor.join()
    assert set(visitor.codes) == {200}
    site.do(crowd.add_people, 2 * N_PEOPLE, 1000)
    site.do(crowd.launch)
    assert site.await_rest() == {"entered": 2 * N_PEOPLE + 1000, "synced": 2 * N_PEOPLE + 1000}
    site.check_at_rest()
