"""A private database and a private Redis for machines that share them."""

import os
import secrets
from contextlib import contextmanager

import psycopg

from scripts import postgres, redis_server
from scripts.ports import free_port
from tests.support import migrated


@contextmanager
def database(*, has_tables=False):
    """Yield the URL of a new PostgreSQL database without rows; ``has_tables``: it is migrated.

    It is on the server of DATABASE_URL, or on a private one if that is not PostgreSQL.
    """
    server_url = os.environ.get("DATABASE_URL", "")
    if not server_url.startswith("postgres"):
        with postgres.server() as url:
            if has_tables:
                migrated.migrate(url)
            yield url
        return
    template = migrated.template() if has_tables else "template0"
    name = f"cluster_{secrets.token_hex(4)}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield f"{server_url.rpartition('/')[0]}/{name}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Redis:
    """A Redis that can be killed and restarted at the same address."""

    def __init__(self, folder):
        self.folder = folder
        self.port, self.password = free_port(), secrets.token_urlsafe(24)
        self.url = f"redis://:{self.password}@127.0.0.1:{self.port}/0"
        self.process = None

    def start(self):
        self.process = redis_server.start(self.folder, port=self.port, password=self.password)

    def kill(self):
        self.process.kill()
        self.process.wait()
