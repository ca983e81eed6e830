"""A backup made under load is restored to a new installation, where the work goes on."""

import shutil
from urllib.parse import urlsplit

import pytest

from tests.system.faults.live import crowd
from tests.system.faults.live.site import Site, address
from tiktok_sandbox.seed import EU
from tiktok_sandbox.server import Server

pytestmark = pytest.mark.slow
N = 8_000
ERASED = [N, N + 1, N + 2]  # pending when the backup is written, erased afterwards
LATEST = 1_000_000  # the number of a profile created just before the backup


@pytest.fixture
def elsewhere(databases, tmp_path):
    """elsewhere(site, server) -> a second installation with an empty database."""
    made = []

    def make(old: Site, server: Server) -> Site:
        var = tmp_path / "elsewhere"
        var.mkdir()
        name = databases.create()
        made.append(
            Site(var, sandbox_port=old.sandbox_port, databases=databases, name=name, server=server)
        )
        return made[-1]

    yield make
    for one in made:
        one.stop()
        databases.drop(one.name)


def backed_up_under_load(one, file):
    """Write a backup while people are pending and retried; return the counts before it."""
    one.start("engine")
    one.do(crowd.launch)
    one.rest()
    one.server.sandbox.faults.set("code", endpoint="segment/mapping", code=50000)
    one.do(crowd.add_people, N, N)
    one.do(crowd.launch)
    one.wait(lambda: one.do(crowd.counts).get("pending"), "no people are pending")
    one.do(crowd.add_people, LATEST, 1)
    before = one.do(crowd.counts)
    one.manage("backup", str(file))
    return before


def members(one):
    """Return the hashes in the sandbox's audience."""
    audience = next(
        found for found in one.server.sandbox.audiences.of(EU) if found.name == "winback"
    )
    return {digest for _schema, digest in one.server.sandbox.audiences.listed(audience.id)}


def copy_wal_files(old, name):
    """Copy the -wal and -shm files of a running SQLite database to the new place."""
    for end in ("-wal", "-shm"):
        shutil.copyfile(old.name + end, name + end)


def test_a_backup_made_under_load_goes_on_in_a_new_installation(
    site, elsewhere, tmp_path, is_sqlite
):
    old, file = site(N), tmp_path / "backup"
    before = backed_up_under_load(old, file)
    new = elsewhere(old, old.server)
    if is_sqlite:
        copy_wal_files(old, new.name)
    old.server.sandbox.faults.clear()
    assert old.rest() == {"entered": 2 * N, "synced": 2 * N}
    old.check_at_rest()
    old.do(crowd.erase, ERASED)
    old.wait(lambda: old.do(crowd.has_erased), "the erasure did not end")
    old.stop("engine")
    new.manage("restore", str(file))
    new.manage("migrate", "--check")
    assert new.do(crowd.broken_laws_of_counting) == []
    assert new.do(crowd.knows, LATEST)
    counts = new.do(crowd.counts)
    assert (counts["entered"] >= before["entered"], counts["pending"] > 0) == (True, True)
    new.manage("erase_again", str(old.var / "erasures.jsonl"))
    sent_before = len(new.pushes())
    new.start("engine")
    new.rest()
    new.check_at_rest()
    new.manage("check_counters")
    assert len(new.pushes()) > sent_before
    new.do(crowd.add_people, 2 * N, 1_000)
    new.do(crowd.launch)
    new.rest()
    new.check_at_rest()
    there = members(new)
    assert len(there) == 2 * N + 1_001 - len(ERASED)
    assert [number for number in ERASED if crowd.sha256(number).hex() in there] == []


def test_a_backup_is_readable_only_by_its_owner_and_holds_no_key(site, tmp_path):
    one, file = site(10), tmp_path / "backup"
    one.manage("backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("*.part")) == []
    key = one.env["TOKEN_KEYS"].partition(":")[2]
    assert key.encode() not in file.read_bytes()
    assert urlsplit(address(one.name)).scheme.encode() + b"://" not in file.read_bytes()
