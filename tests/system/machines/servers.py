"""A private database and a private Redis for machines that share them."""

import importlib.util
import os
import secrets
from contextlib import contextmanager

import psycopg

from tests.support.stack import ROOT, free_port


def script(name):
    """Import a module of scripts/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def database():
    """Yield the URL of an empty database at the server of DATABASE_URL, else at a private one."""
    given = os.environ.get("DATABASE_URL", "")
    if not given.startswith("postgres"):
        with script("postgres").server() as url:
            yield url
        return
    name = f"cluster_{secrets.token_hex(4)}"
    with psycopg.connect(given, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield f"{given.rpartition('/')[0]}/{name}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Redis:
    """A Redis that can be killed and restarted at the same address."""

    def __init__(self, folder):
        self.script, self.folder = script("redis_server"), folder
        self.port, self.password = free_port(), secrets.token_urlsafe(24)
        self.url = f"redis://:{self.password}@127.0.0.1:{self.port}/0"
        self.process = None

    def start(self):
        self.process = self.script.start(self.folder, port=self.port, password=self.password)

    def kill(self):
        self.process.kill()
        self.process.wait()
