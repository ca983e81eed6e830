"""Fixtures: databases of the engine in use, and scenarios with a sandbox of their own."""

import pytest
from django.conf import settings

from tests.system.crash.databases import Sqlite
from tests.system.crash.harness import Stage
from tests.system.crash.lanes import Lanes
from tests.system.crash.postgres import Postgres
from tiktok_sandbox.server import serve


@pytest.fixture(scope="session")
def databases(tmp_path_factory, django_db_blocker):
    is_sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    made = (Sqlite if is_sqlite else Postgres)(
        django_db_blocker.unblock, tmp_path_factory.mktemp("crash")
    )
    yield made
    made.drop(made.base)


@pytest.fixture
def stage(databases):
    """Return stage(scenario, mutant=None) -> Stage, ready to run."""
    stages = []
    with serve(db=":memory:") as server:

        def make(scenario, mutant=None):
            stages.append(Stage(scenario, databases, server, mutant))
            return stages[-1]

        yield make
        for one in stages:
            one.close()


@pytest.fixture
def lanes(databases, request):
    """Return lanes(scenario, mutant=None) -> Lanes, ready to run at all points of the scenario.

    With `--every-point`, the points run one by one.
    """
    is_whole = request.config.getoption("--every-point")
    return lambda scenario, mutant=None: Lanes(scenario, databases, mutant, is_whole=is_whole)
