"""Settings of the product with keys of no value and fast passwords: tests need no environment.

With REDIS_URL, cache and queue use that Redis; each process of pytest-xdist has its own database.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from audiencesync.core import crypto
from audiencesync.settings import *  # noqa: F403  # a settings module is its names
from audiencesync.settings import CACHES, DATABASES, Q_CLUSTER, REDIS_URL, STORAGES, SYNC

SECRET_KEY = "test-key-of-no-value-but-of-a-decent-length-0123456789"
TOKEN_KEYS = [crypto.new_key("test")]
TIKTOK_APP_ID = "7000000000000000001"
TIKTOK_APP_SECRET = "sandbox-secret"
TIKTOK_API_URL = "http://127.0.0.1:1"  # no server; tests that need TikTok start the sandbox
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
HAS_MAIL = True  # Django keeps the mails of a test in memory
SYNC = SYNC | {"erasure_rest": 0.0}  # tests of the rest of an erasure set it
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if REDIS_URL:
    _number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) + 1
    REDIS_URL = f"{REDIS_URL.rpartition('/')[0]}/{_number}"
    CACHES["default"]["LOCATION"] = Q_CLUSTER["redis"] = REDIS_URL
else:
    CACHES["default"] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


def _folder() -> Path:
    """Return a temporary folder; its process, not a forked child, removes it at its end."""
    folder, owner = tempfile.mkdtemp(prefix="audiencesync-"), os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(folder, ignore_errors=True))
    return Path(folder)


if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Threads of a test need a file: in memory they do not wait for a lock.
    DATABASES["default"]["TEST"] = {"NAME": _folder() / "test.sqlite3"}
    # No test cuts the power of this machine, so none waits for its disk.
    pragmas = DATABASES["default"]["OPTIONS"]["init_command"]
    DATABASES["default"]["OPTIONS"]["init_command"] = pragmas.replace("=FULL", "=OFF")
