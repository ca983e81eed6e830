"""The settings of the product with keys of no value, a cache in memory and fast passwords: tests need no environment."""

from audiencesync import crypto
from audiencesync.settings import *  # noqa: F403  # a settings module is its names
from audiencesync.settings import STORAGES

SECRET_KEY = "test-key-of-no-value-but-of-a-decent-length-0123456789"
TOKEN_KEYS = [crypto.new_key("test")]
TIKTOK_APP_ID = "7000000000000000001"
TIKTOK_APP_SECRET = "sandbox-secret"
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
