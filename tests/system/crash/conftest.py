"""Fixtures: databases on SQLite or PostgreSQL, and scenarios, each with its own sandbox."""

import pytest
from django.conf import settings

from tests.system.crash.databases import Sqlite
from tests.system.crash.harness import Stage
from tests.system.crash.postgres import Postgres
from tests.system.crash.shards import Shards
from tiktok_sandbox.server import serve


@pytest.fixture(scope="session")
def databases(tmp_path_factory, django_db_blocker):
    is_sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    databases = (Sqlite if is_sqlite else Postgres)(
        django_db_blocker.unblock, tmp_path_factory.mktemp("crash")
    )
    yield databases
    databases.drop(databases.base)


@pytest.fixture
def stage(databases):
    """Return stage(scenario, mutant=None) -> Stage, ready to run."""
    stages = []
    with serve(db=":memory:") as server:

        def new_stage(scenario, mutant=None):
            stages.append(Stage(scenario, databases, server, mutant))
            return stages[-1]

        yield new_stage
        for stage in stages:
            stage.close()


@pytest.fixture
def shards(databases, request):
    """Return shards(scenario, mutant=None) -> Shards, ready to run at all points of the scenario.

    With `--every-point`, the points run one by one.
    """
    at_every_point = request.config.getoption("--every-point")
    return lambda scenario, mutant=None: Shards(
        scenario, databases, mutant, at_every_point=at_every_point
    )
