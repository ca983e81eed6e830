"""Fill the disk under a site's database, and free the space again.

SQLite: RLIMIT_FSIZE of the site's processes keeps their files from growing. PostgreSQL: the
database is on a small tmpfs, which a file fills. If the test may not mount one, triggers raise the
error that the server has for a full disk.
"""

import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.system.faults.live.site import Site, descendants

MAX_BYTES, UNLIMITED = 64 * 1024, resource.RLIM_INFINITY


class SmallFiles:
    """The full disk of SQLite: no file may grow beyond 64 KB."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def fill(self) -> None:
        self._limit(MAX_BYTES)

    def free(self) -> None:
        self._limit(UNLIMITED)

    def close(self) -> None:
        """Do nothing: the limits end with the site's processes."""

    def _limit(self, max_bytes: int) -> None:
        for process in self.site.processes.values():
            for pid in descendants(process.pid):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (max_bytes, UNLIMITED))


class SmallVolume:
    """The full disk of PostgreSQL: a tablespace on a tmpfs. Raise OSError if mount is forbidden."""

    def __init__(self, site: Site) -> None:
        self.admin, self.name = site.databases.admin, site.name
        folder = self.folder = Path(tempfile.mkdtemp(prefix="audiencesync-volume-"))
        mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            folder.rmdir()
            raise OSError
        shutil.chown(folder, "postgres")
        self.admin.execute(f"CREATE TABLESPACE {self.name} LOCATION '{folder}'")
        self.admin.execute(f"ALTER DATABASE {self.name} SET TABLESPACE {self.name}")

    def fill(self) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                return

    def free(self) -> None:
        (self.folder / "filler").unlink()

    def close(self) -> None:
        """Remove the tablespace, which must be empty: call it after the site's end."""
        try:
            self.admin.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
            self.admin.execute(f"DROP TABLESPACE {self.name}")
        finally:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
            self.folder.rmdir()


class RaisedError:
    """The full disk of PostgreSQL without mount: triggers raise the error of a full disk."""

    FUNCTION = (
        "CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE disk_full; END$$"
    )
    TABLES = ("partners_delivery", "canvases_visit", "canvases_canvas", "groups_beatslot")

    def __init__(self, site: Site) -> None:
        self.session = site.databases._session(site.name)
        self.session.execute(self.FUNCTION)

    def fill(self) -> None:
        for table in self.TABLES:
            self.session.execute(
                f"CREATE TRIGGER full BEFORE INSERT OR UPDATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION full()"
            )

    def free(self) -> None:
        for table in self.TABLES:
            self.session.execute(f"DROP TRIGGER full ON {table}")

    def close(self) -> None:
        self.session.close()
