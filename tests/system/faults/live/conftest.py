"""make_site(n, **env) -> an installation with its own database, n people and a canvas."""

import pytest
from django.conf import settings

from tests.support import builder
from tests.support.stack import environment, manage
from tests.system.crash.conftest import databases
from tests.system.faults.live import crowd
from tests.system.faults.live.site import Site, address
from tiktok_sandbox.seed import EU, MARA

__all__ = ["databases"]


@pytest.fixture(scope="session")
def prepared(databases, tmp_path_factory):
    """Yield the name of a migrated database with the cache table."""
    name = databases.create(databases.base)
    manage(
        environment(tmp_path_factory.mktemp("prepared"), DATABASE_URL=address(name)),
        "createcachetable",
    )
    yield name
    databases.drop(name)


@pytest.fixture
def make_site(prepared, databases, tmp_path):
    sites, servers = [], []

    def new_site(n=1000, **env):
        servers.append(builder.run_sandbox())
        sandbox, port = servers[-1].sandbox, servers[-1].server_address[1]
        name = databases.create(prepared)
        site = Site(
            tmp_path,
            sandbox_port=port,
            extra_env=env,
            databases=databases,
            name=name,
            server=servers[-1],
        )
        sites.append(site)
        remote_id = str(sandbox.audiences.create(EU, "winback"))
        site.facts = site.do(crowd.create_site, sandbox.accounts.issue_token(MARA), remote_id, n)
        return site

    yield new_site
    for site in sites:
        site.stop()
    for server in servers:
        server.close()
    for site in sites:
        databases.drop(site.name)


@pytest.fixture
def is_sqlite():
    return settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
