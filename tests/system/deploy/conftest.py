"""The image, built once by the Dockerfile's own lines, and the settings that a container gets."""

import os
import secrets
import shutil
import signal
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from audiencesync.core import crypto
from tests.support.stack import ROOT, free_port
from tests.system.deploy.dockerfile import Image, lines_of

LINES = lines_of((ROOT / "deploy" / "Dockerfile").read_text())
PATTERNS = (ROOT / ".dockerignore").read_text().splitlines()


@contextmanager
def _folder():
    """Empty, and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="audiencesync-image-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def image():
    """All lines, the packages installed for real."""
    with _folder() as folder:
        built = Image(folder, ROOT, PATTERNS)
        built.build(LINES)
        yield built


@pytest.fixture
def image_without(image):
    """image_without(".dockerignore's line"): built again without it; the packages are those of the whole image."""
    with _folder() as folder:

        def build(line):
            assert line in PATTERNS
            less = Image(folder, ROOT, [one for one in PATTERNS if one != line])
            less.WORKDIR("/app")
            less.inside(".venv").symlink_to(image.inside(".venv"))
            less.build([pair for pair in LINES if pair[0] != "FROM" and "-m venv" not in pair[1]])
            return less

        yield build


def settings_of(image):
    """What env.example asks for, filled in, with a file of SQLite."""
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
    """A process of the image for a while; afterwards it and all it started have ended."""
    with (image.root / "log").open("a") as log:
        process = image.start(*command, log=log, **env)
        try:
            yield process
        finally:
            process.terminate()
            with suppress(Exception):  # whatever hinders the wait: the kill below ends it
                process.wait(25)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
