"""The image, built once by the lines of the Dockerfile, and the settings of a container."""

import os
import secrets
import shutil
import signal
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from audiencesync.core import crypto
from scripts.ports import free_port
from tests.support import migrated
from tests.support.stack import ROOT
from tests.system.deploy.dockerfile import Image, lines_of

LINES = lines_of((ROOT / "deploy" / "Dockerfile").read_text())
PATTERNS = (ROOT / ".dockerignore").read_text().splitlines()


@contextmanager
def _folder():
    """Yield an empty folder and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="audiencesync-image-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def image():
    """Yield an image of all lines, with the packages installed."""
    with _folder() as folder:
        built = Image(folder, ROOT, PATTERNS)
        built.build(LINES)
        yield built


@pytest.fixture
def image_without(image):
    """image_without(line) -> an image without this line of .dockerignore, with shared packages."""
    with _folder() as folder:

        def build(line):
            assert line in PATTERNS
            less = Image(folder, ROOT, [one for one in PATTERNS if one != line])
            less.WORKDIR("/app")
            less.inside(".venv").symlink_to(image.inside(".venv"))
            less.build([pair for pair in LINES if pair[0] != "FROM" and "-m venv" not in pair[1]])
            migrated.into(less.inside("var"))  # the complete image shows that it can migrate
            return less

        yield build


def settings_of(image):
    """Return the variables of env.example with values, for SQLite."""
    port = free_port()
    return {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "TOKEN_KEYS": crypto.new_key("image"),
        "SITE_URL": "http://audiences.test",
        "ALLOWED_HOSTS": "audiences.test",
        "TIKTOK_APP_ID": "7000000000000000001",
        "TIKTOK_APP_SECRET": "none",
        "BEAT_SECONDS": "1",
        "WEB_PORT": str(port),
    }


@contextmanager
def running(image, *command, **env):
    """Run a process of the image; end it and its children afterwards."""
    with (image.root / "log").open("a") as log:
        process = image.start(*command, log=log, **env)
        try:
            yield process
        finally:
            process.terminate()
            with suppress(Exception):  # the kill below ends a process that does not stop
                process.wait(25)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
