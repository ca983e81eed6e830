"""The drill: a backup while the engine works, restored into a new place, where everything goes on and nobody is lost."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from partners.tiktok_sandbox.server import Server
from tests.faults.live import crowd
from tests.faults.live.site import Site, address

pytestmark = pytest.mark.slow


@pytest.fixture
def elsewhere(databases, tmp_path):
    """elsewhere(site) -> an installation in a new place, whose database is still empty."""
    made = []

    def make(old: Site, server: Server) -> Site:
        var = tmp_path / "elsewhere"
        var.mkdir()
        name = databases.create()
        made.append(Site(var, sandbox_port=old.sandbox_port, databases=databases, name=name, server=server))
        return made[-1]

    yield make
    for one in made:
        one.stop()
        databases.drop(one.name)


def backed_up_under_load(one, file):
    """People are on their way, some are there already, and more enter, while the backup is written."""
    one.start("engine")
    one.do(crowd.launch)
    one.rest()
    one.do(crowd.people, 20_000, 20_000)
    one.server.sandbox.faults.set("slow", endpoint="segment/mapping", seconds=1.0)
    one.do(crowd.launch)
    one.wait(lambda: one.do(crowd.counts).get("pending"), "nobody is on the way")
    one.manage("backup", str(file))
    one.rest()
    one.judge()


def test_what_was_saved_under_load_goes_on_elsewhere(site, elsewhere, tmp_path, is_sqlite):
    old, file = site(20_000), tmp_path / "backup"
    backed_up_under_load(old, file)
    assert old.do(crowd.counts) == {"entered": 40_000, "synced": 40_000}
    old.stop("engine")
    new = elsewhere(old, old.server)
    if is_sqlite:
        for end in ("-wal", "-shm"):
            Path(new.name + end).write_bytes(b"what an earlier database has left behind")
    new.manage("restore", str(file))
    new.manage("migrate", "--check")
    new.manage("check_counters")
    assert new.do(crowd.counts)["pending"] > 0
    sent_before = len(new.pushes())
    new.start("engine")
    assert new.rest() == {"entered": 40_000, "synced": 40_000}
    new.judge()
    assert len(new.pushes()) > sent_before
    new.do(crowd.people, 40_000, 1_000)
    new.do(crowd.launch)
    assert new.rest() == {"entered": 41_000, "synced": 41_000}
    new.judge()


def test_the_file_is_for_its_owner_only_and_holds_no_key(site, tmp_path):
    one, file = site(10), tmp_path / "backup"
    one.manage("backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("*.part")) == []
    key = one.env["TOKEN_KEYS"].partition(":")[2]
    assert key.encode() not in file.read_bytes()
    assert urlsplit(address(one.name)).scheme.encode() + b"://" not in file.read_bytes()
