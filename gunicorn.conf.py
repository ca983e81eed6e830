"""gunicorn reads this by itself: its own lines in the format of ours (LOG_FORMAT). The rest is in the Procfile."""

import os

DEFAULT = "plain" if os.environ.get("DEMO", "0") not in ("", "0") else "json"
if os.environ.get("LOG_FORMAT", DEFAULT) != "plain":
    logconfig_dict = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "audiencesync.logs.JsonLines"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            "gunicorn.error": {"handlers": ["console"], "level": "INFO", "propagate": False},
            "gunicorn.access": {"handlers": [], "level": "WARNING", "propagate": False},
        },
    }
