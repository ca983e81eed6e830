"""Fixtures for the engine's tests: a failing database and a private Redis."""

import shutil
import subprocess
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection
from django_q.conf import Conf

from scripts.ports import free_port
from tests.support.stack import wait_until


@pytest.fixture
def database_away():
    """Return a context manager in which every statement fails, as without a server."""

    def refuse(*_args):
        raise OperationalError("the server has gone away")

    @contextmanager
    def away():
        with connection.execute_wrapper(refuse):
            yield

    return away


@pytest.fixture
def redis_server(tmp_path, monkeypatch):
    """Start a private Redis for django-q2 and yield its process."""
    port = free_port()
    command = [
        shutil.which("redis-server"),
        "--port",
        str(port),
        "--save",
        "",
        "--dir",
        str(tmp_path),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    monkeypatch.setattr(Conf, "REDIS", f"redis://127.0.0.1:{port}/0")
    wait_until(
        lambda: "Ready to accept connections" in server.stdout.readline(),
        what="Redis did not start",
    )
    yield server
    server.kill()
    server.wait()
