"""The settings of the product with keys of no value, a cache in memory and fast passwords: tests need no environment."""

import tempfile
from pathlib import Path

from audiencesync import crypto
from audiencesync.settings import *  # noqa: F403  # a settings module is its names
from audiencesync.settings import DATABASES, STORAGES

SECRET_KEY = "test-key-of-no-value-but-of-a-decent-length-0123456789"
TOKEN_KEYS = [crypto.new_key("test")]
TIKTOK_APP_ID = "7000000000000000001"
TIKTOK_APP_SECRET = "sandbox-secret"
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if DATABASES["default"]["ENGINE"].endswith(
    "sqlite3"
):  # threads of a test need a file: in memory they do not wait for a lock
    DATABASES["default"]["TEST"] = {"NAME": Path(tempfile.mkdtemp(prefix="audiencesync-")) / "test.sqlite3"}
