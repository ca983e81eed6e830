"""The product's settings with the most verbose logs, mails in files, and alerts sent at once."""

from audiencesync.settings import *  # noqa: F403  # a settings module is its names
from audiencesync.settings import BEATS, LOGGING, VAR_DIR

EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = VAR_DIR / "mails"
BEATS |= {"housekeeping": (1.0, BEATS["housekeeping"][1])}
LOGGING["loggers"]["django.db.backends"]["level"] = "DEBUG"
LOGGING["loggers"]["urllib3"]["level"] = "DEBUG"
