"""A backup made under load is restored to a new installation, which continues the work."""

import shutil
from urllib.parse import urlsplit

import pytest

from tests.system.faults.live import crowd
from tests.system.faults.live.site import Site, address
from tiktok_sandbox.seed import EU
from tiktok_sandbox.server import Server

pytestmark = pytest.mark.slow
N_PEOPLE = 8_000
# People who are pending when the backup is written, and erased afterwards.
ERASED = [N_PEOPLE, N_PEOPLE + 1, N_PEOPLE + 2]
LATEST = 1_000_000  # the number of a profile that is created immediately before the backup


@pytest.fixture
def second_site(databases, tmp_path):
    """second_site(site, server) -> another installation with an empty database."""
    sites = []

    def new_site(old: Site, server: Server) -> Site:
        var = tmp_path / "second"
        var.mkdir()
        name = databases.create()
        sites.append(
            Site(var, sandbox_port=old.sandbox_port, databases=databases, name=name, server=server)
        )
        return sites[-1]

    yield new_site
    for site in sites:
        site.stop()
        databases.drop(site.name)


def back_up_under_load(site, file):
    """Write a backup while people are pending and retried; return the counts before the backup."""
    site.start("engine")
    site.do(crowd.launch)
    site.await_rest()
    site.server.sandbox.faults.set("code", endpoint="segment/mapping", code=50000)
    site.do(crowd.add_people, N_PEOPLE, N_PEOPLE)
    site.do(crowd.launch)
    site.wait(lambda: site.do(crowd.counts).get("pending"), "no people are pending")
    site.do(crowd.add_people, LATEST, 1)
    before = site.do(crowd.counts)
    site.manage("backup", str(file))
    return before


def members(site):
    """Return the hashes in the sandbox's audience."""
    audiences = site.server.sandbox.audiences.of(EU)
    audience = next(audience for audience in audiences if audience.name == "winback")
    return {digest for _schema, digest in site.server.sandbox.audiences.member_ids(audience.id)}


def copy_wal_files(old, name):
    """Copy the -wal and -shm files of a running SQLite database to the new place."""
    for end in ("-wal", "-shm"):
        shutil.copyfile(old.name + end, name + end)


def test_a_backup_made_under_load_goes_on_in_a_new_installation(
    make_site, second_site, tmp_path, is_sqlite
):
    old, file = make_site(N_PEOPLE), tmp_path / "backup"
    before = back_up_under_load(old, file)
    new = second_site(old, old.server)
    if is_sqlite:
        copy_wal_files(old, new.name)
    old.server.sandbox.faults.clear()
    assert old.await_rest() == {"entered": 2 * N_PEOPLE, "synced": 2 * N_PEOPLE}
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
    n_pushes = len(new.pushes())
    new.start("engine")
    new.await_rest()
    new.check_at_rest()
    new.manage("check_counters")
    assert len(new.pushes()) > n_pushes
    new.do(crowd.add_people, 2 * N_PEOPLE, 1_000)
    new.do(crowd.launch)
    new.await_rest()
    new.check_at_rest()
    hashes = members(new)
    assert len(hashes) == 2 * N_PEOPLE + 1_000 + 1 - len(ERASED)  # 1: LATEST
    assert [number for number in ERASED if crowd.sha256(number).hex() in hashes] == []


def test_a_backup_is_readable_only_by_its_owner_and_holds_no_key(make_site, tmp_path):
    site, file = make_site(10), tmp_path / "backup"
    site.manage("backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("*.part")) == []
    key = site.env["TOKEN_KEYS"].partition(":")[2]
    assert key.encode() not in file.read_bytes()
    assert urlsplit(address(site.name)).scheme.encode() + b"://" not in file.read_bytes()
