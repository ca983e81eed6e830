"""Makes the disk under a site's database full, and gives the space back.

SQLite: RLIMIT_FSIZE of every process of the site, so that no file of it can grow. PostgreSQL: the database lives on a small
tmpfs that a filler fills; who may not mount gets the server's own error for a full disk, raised by triggers.
"""

import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.system.faults.live.site import Site, descendants

NO_MORE, ENDLESS = 64 * 1024, resource.RLIM_INFINITY


class SmallFiles:
    """For SQLite: beyond 64 KB nothing can be written."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def fill(self) -> None:
        self._limit(NO_MORE)

    def free(self) -> None:
        self._limit(ENDLESS)

    def close(self) -> None:
        """Nothing is left of it: the processes end with the site."""

    def _limit(self, most: int) -> None:
        for process in self.site.processes.values():
            for pid in descendants(process.pid):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, ENDLESS))


class SmallVolume:
    """For PostgreSQL: a tablespace on a tmpfs. Raises OSError where nobody may mount."""

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
        """After the site has ended: the tablespace must be empty."""
        try:
            self.admin.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
            self.admin.execute(f"DROP TABLESPACE {self.name}")
        finally:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
            self.folder.rmdir()


class Raised:
    """For PostgreSQL without mount: every write is refused with the error of a full disk."""

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
                f"CREATE TRIGGER full BEFORE INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION full()"
            )

    def free(self) -> None:
        for table in self.TABLES:
            self.session.execute(f"DROP TRIGGER full ON {table}")

    def close(self) -> None:
        self.session.close()
