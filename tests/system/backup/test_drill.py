"""The drill: a backup while the engine works, restored into a new place, where everything goes on and nobody is lost."""

import shutil
from urllib.parse import urlsplit

import pytest

from tests.system.faults.live import crowd
from tests.system.faults.live.site import Site, address
from tiktok_sandbox.seed import EU
from tiktok_sandbox.server import Server

pytestmark = pytest.mark.slow
N = 8_000
ERASED = [N, N + 1, N + 2]  # on the way when the backup is written, erased afterwards
LATEST = 1_000_000  # the number of a person who comes just before the backup


@pytest.fixture
def elsewhere(databases, tmp_path):
    """elsewhere(site) -> an installation in a new place, whose database is still empty."""
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
    """People are on their way and tried again all the time while the backup is written; the counts before it."""
    one.start("engine")
    one.do(crowd.launch)
    one.rest()
    one.server.sandbox.faults.set("code", endpoint="segment/mapping", code=50000)
    one.do(crowd.people, N, N)
    one.do(crowd.launch)
    one.wait(lambda: one.do(crowd.counts).get("pending"), "nobody is on the way")
    one.do(crowd.people, LATEST, 1)
    before = one.do(crowd.counts)
    one.manage("backup", str(file))
    return before


def members(one):
    """Who is in the audience at the sandbox."""
    audience = next(
        found for found in one.server.sandbox.audiences.of(EU) if found.name == "winback"
    )
    return {digest for _schema, digest in one.server.sandbox.audiences.listed(audience.id)}


def left_behind(old, name):
    """Put beside the new file what a running SQLite database keeps beside its own."""
    for end in ("-wal", "-shm"):
        shutil.copyfile(old.name + end, name + end)


def test_what_was_saved_under_load_goes_on_elsewhere(site, elsewhere, tmp_path, is_sqlite):
    old, file = site(N), tmp_path / "backup"
    before = backed_up_under_load(old, file)
    new = elsewhere(old, old.server)
    if is_sqlite:
        left_behind(old, new.name)
    old.server.sandbox.faults.clear()
    assert old.rest() == {"entered": 2 * N, "synced": 2 * N}
    old.judge()
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
    new.judge()
    new.manage("check_counters")
    assert len(new.pushes()) > sent_before
    new.do(crowd.people, 2 * N, 1_000)
    new.do(crowd.launch)
    new.rest()
    new.judge()
    there = members(new)
    assert len(there) == 2 * N + 1_001 - len(ERASED)
    assert [number for number in ERASED if crowd.sha256(number).hex() in there] == []


def test_the_file_is_for_its_owner_only_and_holds_no_key(site, tmp_path):
    one, file = site(10), tmp_path / "backup"
    one.manage("backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("*.part")) == []
    key = one.env["TOKEN_KEYS"].partition(":")[2]
    assert key.encode() not in file.read_bytes()
    assert urlsplit(address(one.name)).scheme.encode() + b"://" not in file.read_bytes()
